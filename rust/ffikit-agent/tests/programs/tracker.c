/* tracker THREADS ROUNDS [without-pvalloc]: every function that gives memory, at random, in some threads; says
   how often each was called from here, how much was asked for, and what was given back. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic uint64_t allocations, frees, allocated_bytes, freed_bytes;

enum { SLOTS = 512 };
struct slot {
  void *block;
  size_t len_bytes;
};

static void gave(void *block, size_t len_bytes) {
  if (!block)
    abort();
  allocations++;
  allocated_bytes += len_bytes;
}

static void took(struct slot *slot) {
  if (!slot->block)
    return;
  frees++;
  freed_bytes += slot->len_bytes;
  slot->block = NULL;
}

static uint32_t next(uint32_t *random) {
  *random ^= *random << 13;
  *random ^= *random >> 17;
  return *random ^= *random << 5;
}

static int without_pvalloc;

static void step(struct slot *slot, uint32_t *random) {
  size_t n = next(random) % 3000 + 1;
  uint32_t kind = next(random) % 12;
  if (kind >= 9) {
    void *block = slot->block;
    took(slot);
    if (kind == 9)
      slot->block = realloc(block, n); /* REALLOC */
    else if (kind == 10)
      slot->block = reallocarray(block, 3, n), n *= 3;
    else {
      free(block);
      return;
    }
  } else {
    void *block = slot->block;
    took(slot);
    free(block);
    switch (kind) {
    case 0:
    case 1:
      slot->block = malloc(n); /* MALLOC */
      break;
    case 2:
      slot->block = calloc(n, 7), n *= 7; /* CALLOC */
      break;
    case 3:
      if (posix_memalign(&slot->block, 256, n))
        abort();
      break;
    case 4:
      n = (n + 63) / 64 * 64;
      slot->block = aligned_alloc(64, n);
      break;
    case 5:
      slot->block = memalign(128, n);
      break;
    case 6:
      slot->block = valloc(n);
      break;
    case 7:
      slot->block = without_pvalloc ? valloc(n) : pvalloc(n);
      break;
    case 8:
      n += 200000; /* the allocator asks the kernel for this one */
      slot->block = malloc(n);
      break;
    }
  }
  slot->len_bytes = n;
  gave(slot->block, n);
}

static int rounds;

static void *work(void *argument) {
  uint32_t random = 2463534242u + (uint32_t)(uintptr_t)argument * 77777;
  struct slot slots[SLOTS] = {{0}};
  for (int i = 0; i < rounds; i++)
    step(&slots[next(&random) % SLOTS], &random);
  return NULL;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  rounds = argc > 2 ? atoi(argv[2]) : 10000;
  without_pvalloc = argc > 3;
  pthread_t others[16];
  for (long i = 1; i < threads; i++)
    if (pthread_create(&others[i], NULL, work, (void *)i))
      return 2;
  work(NULL);
  for (int i = 1; i < threads; i++)
    pthread_join(others[i], NULL);
  /* What fails is not counted, and what it should have moved stays. */
  char *stays = malloc(10);
  gave(stays, 10);
  if (realloc(stays, PTRDIFF_MAX) || reallocarray(stays, PTRDIFF_MAX, 3) || malloc(PTRDIFF_MAX))
    return 3;
  char *gone = malloc(100);
  gave(gone, 100);
  gone = realloc(gone, 0);
  frees++;
  freed_bytes += 100;
  if (gone) /* some allocators give a block of no bytes */
    gave(gone, 0);
  printf("%lu %lu %lu %lu\n", allocations, frees, allocated_bytes, freed_bytes);
  return 0;
}

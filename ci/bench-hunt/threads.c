/* threads COUNT [THREADS]: each of two threads allocates and frees as blocks.c does, a third of it what another
 * allocated. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))
enum { RING = 4096, MOST = 64 };
static _Atomic(char *) shared[RING];
static char *volatile newest[MOST];
static long count;

NOINLINE static char *make(int depth, unsigned long n) {
  volatile int here = depth;
  char *block = depth ? make(depth - 1, n) : malloc(16 + n % 512);
  here++;
  return block;
}

NOINLINE static void keep(long thread) {
  newest[thread] = malloc(100); /* LEAK */
  newest[thread][0] = 1;
}

static void *work(void *argument) {
  long thread = (long)argument;
  char *ring[RING] = {NULL};
  unsigned long state = 88172645463325252ul + (unsigned long)thread;
  for (long i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    char *block = make(10, state >> 16);
    block[0] = 1;
    if (i % 3) {
      free(ring[state % RING]);
      ring[state % RING] = block;
    } else {
      free(atomic_exchange(&shared[state % RING], block));
    }
    if (i % 100 == 0)
      keep(thread); /* LEAK_CALLER */
  }
  for (int i = 0; i < RING; i++)
    free(ring[i]);
  return NULL;
}

int main(int argc, char **argv) {
  count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
  long threads = argc > 2 ? strtol(argv[2], NULL, 10) : 2;
  pthread_t all[MOST];
  if (threads < 1 || threads > MOST)
    return 2;
  for (long i = 0; i < threads; i++)
    if (pthread_create(&all[i], NULL, work, (void *)i))
      return 2;
  for (long i = 0; i < threads; i++)
    pthread_join(all[i], NULL);
  printf("allocations make %ld\nallocations keep %ld\n", count * threads, (count + 99) / 100 * threads);
  return 0;
}

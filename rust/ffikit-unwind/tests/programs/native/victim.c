/* A library with frames of several kinds, for tables to be corrupted (mutate.c), to be
 * left out (chains.rs) and to be loaded and unloaded (loader.c, torture.c). */
#include <stddef.h>
#include <stdint.h>

#define NOINLINE __attribute__((noinline))

static volatile uint64_t sink;

static NOINLINE uint64_t victim_leaf(void (*callback)(void), uint64_t a, uint64_t b, uint64_t c) {
  callback();
  return a + b + c + sink;
}

static NOINLINE uint64_t victim_realigned(void (*callback)(void), uint64_t a) {
  _Alignas(64) volatile uint64_t block[8];
  block[1] = a;
  return victim_leaf(callback, block[1], a, 3) + block[1];
}

static NOINLINE uint64_t victim_growing(void (*callback)(void), size_t count) {
  volatile uint64_t array[count];
  array[count - 1] = 1;
  return victim_realigned(callback, array[count - 1]) + array[count - 1];
}

static NOINLINE uint64_t victim_both(void (*callback)(void), size_t count) {
  _Alignas(64) volatile uint64_t block[8];
  volatile uint64_t array[count];
  array[count - 1] = block[2] = count;
  return victim_growing(callback, block[2]) + array[count - 1];
}

void victim_enter(void (*callback)(void)) { sink = victim_both(callback, 5) + 1; }

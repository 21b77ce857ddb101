/* blocks COUNT: allocates and frees below a dozen calls, and keeps one block in a hundred. */
#include <stdio.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))
enum { RING = 4096 };
static char *ring[RING];
static unsigned long random_state = 88172645463325252ul, kept;

static unsigned long next(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

NOINLINE static char *small(unsigned long n) { return malloc(16 + n % 512); }
NOINLINE static char *large(unsigned long n) { return malloc(16 + n % 8192); }
static char *volatile newest;
NOINLINE static void keep(void) {
  newest = malloc(100); /* LEAK */
  newest[0] = 1;
  kept++;
}

NOINLINE static char *make(int depth, unsigned long n) {
  volatile int here = depth;
  char *block = depth ? make(depth - 1, n) : n % 16 ? small(n >> 4) : large(n >> 4);
  here++;
  return block;
}

int main(int argc, char **argv) {
  long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
  for (long i = 0; i < count; i++) {
    unsigned long n = next();
    char **place = &ring[n % RING];
    free(*place);
    *place = make(10, n >> 16);
    **place = 1;
    if (i % 100 == 0)
      keep(); /* LEAK_CALLER */
  }
  printf("allocations make %ld\nallocations keep %lu\n", count, kept);
  return 0;
}

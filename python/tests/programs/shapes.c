/* A healthy program whose addresses the tests look up. */
#include <stdio.h>

__attribute__((noinline)) int area(int width, int height) { return width * height; } /* AREA */

static inline __attribute__((always_inline)) int twice(volatile int *cell) {
  return *cell + *cell; /* TWICE */
}

static inline __attribute__((always_inline)) int four_times(volatile int *cell) {
  return twice(cell) * 2; /* FOUR_TIMES */
}

__attribute__((noinline)) int total(volatile int *cell) {
  return four_times(cell); /* TOTAL */
}

int main(int argc, char **argv) {
  volatile int cell = argc;
  (void)argv;
  printf("%d %d\n", area(argc, 3), total(&cell));
  return 0;
}

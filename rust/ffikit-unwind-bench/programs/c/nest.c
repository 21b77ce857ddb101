/* nest DEPTH: measures stacks of DEPTH frames of C, main and the measuring one included. */
#include <stdio.h>
#include <stdlib.h>

void ffikit_unwind_bench(const char *label);

static char label[32];

/* Two functions in turns, one of them with an array, so that frames differ in size. */
__attribute__((noinline)) void small(int more, long value);

__attribute__((noinline)) void large(int more, long value) {
  long values[4] = {value, more, value + 1, 0};
  __asm__ volatile("" ::"r"(values) : "memory");
  small(more - 1, values[2]);
  __asm__ volatile("" ::"r"(values) : "memory");
}

__attribute__((noinline)) void small(int more, long value) {
  if (more <= 0) {
    ffikit_unwind_bench(label);
  } else {
    large(more - 1, value * 3);
  }
  __asm__ volatile("" ::"r"(value));
}

int main(int argc, char **argv) {
  int depth = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 25;
  snprintf(label, sizeof label, "C, %d deep", depth);
  /* The C library's two callers of main, main and the innermost call of small. */
  small(depth - 5, 1);
  return 0;
}

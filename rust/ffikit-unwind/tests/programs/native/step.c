/* Pieces of C to be walked at every instruction: see step.h. */
#include "step.h"
#include <alloca.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <time.h>

static volatile uint64_t sink;
static volatile size_t eleven = 11;

/* Pushes callee-saved registers, and arguments onto the stack. */
static NOINLINE uint64_t many(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g,
                              uint64_t h) {
  sink += a;
  return a + 2 * b + 3 * c + 5 * d + 7 * e + 11 * f + 13 * g + 17 * h + sink;
}

static NOINLINE uint64_t pushing(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t x = many(a, b, c, a, b, c, a, b), y = many(c, b, a, x, x, x, x, x);
  uint64_t z = many(x, y, x, y, x, y, x, y);
  if (z == 42)
    return x; /* an early return: a second epilogue */
  return x + y + z + many(x, y, z, a, b, c, x, y);
}

/* Realigns its stack; with alloca on top the CFA goes by another register (DRAP). */
static NOINLINE uint64_t realigned(uint64_t a) {
  _Alignas(64) volatile uint64_t block[16];
  for (size_t i = 0; i < 16; i++)
    block[i] = a + i;
  return pushing(block[3], block[5], block[7]) + ((uintptr_t)block & 63);
}

static NOINLINE uint64_t realigned_growing(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                                           uint64_t on_stack) {
  _Alignas(64) volatile uint64_t block[16];
  volatile char *more = (volatile char *)alloca(eleven * 3);
  more[eleven] = 1;
  block[2] = a + b + c + d + e + f;
  return pushing(block[2], more[eleven], on_stack) + ((uintptr_t)block & 63);
}

static NOINLINE uint64_t variable(size_t count) {
  volatile uint64_t array[count];
  array[count - 1] = count;
  return pushing(array[count - 1], 1, 2);
}

/* More than a page: probed in a loop where the compiler clashes stacks. */
static NOINLINE uint64_t large(void) {
  volatile char space[20000];
  space[19999] = 1, space[0] = 2;
  return pushing(space[19999], space[0], 3);
}

static NOINLINE uint64_t last(uint64_t a) { return many(a, a, a, a, a, a, a, a); }
/* A tail call where the compiler makes one. */
static NOINLINE uint64_t tail(uint64_t a) {
  sink = a;
  return last(a + 1);
}

static NOINLINE uint64_t recursive(int n) { return n == 0 ? tail(3) : recursive(n - 1) + tail(n); }

static int descending(const void *a, const void *b) { return *(const int *)b - *(const int *)a; }

static NOINLINE void own_code(void) {
  sink = pushing(1, 2, 3) + realigned(4) + realigned_growing(1, 2, 3, 4, 5, 6, 7) + variable(eleven) + large() +
         recursive(5);
}

static NOINLINE void through_c_library(void) {
  int numbers[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  qsort(numbers, 11, sizeof *numbers, descending);
  char text[100];
  snprintf(text, sizeof text, "%d %s %.3f %p", numbers[0], "text", 1.5, (void *)text);
  char *volatile copy = strdup(text);
  sink = strtol(copy, NULL, 10) + strlen(copy);
  free(copy);
}

/* First calls through the PLT: _dl_runtime_resolve, whose CFA goes by RBX. */
static NOINLINE void lazily_bound(void) {
  sink = (uint64_t)getpid() + (uint64_t)atoi("12") + (uint64_t)labs(-3);
  sink += (uint64_t)(getenv("HOME") != NULL);
}

static NOINLINE void in_vdso(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  sink = (uint64_t)now.tv_nsec + (uint64_t)time(NULL);
}

static jmp_buf place;
static NOINLINE void jumping(volatile int n) {
  if (n == 0)
    longjmp(place, 1);
  if (n > 0)
    jumping(n - 1);
  KEEP();
}

static NOINLINE void over_longjmp(void) {
  if (setjmp(place) == 0)
    jumping(4);
  sink = pushing(4, 5, 6);
}

/* A handler that is stepped too, from its first line through the trampoline back. */
static void on_signal(int number) {
  __asm__ volatile("int3" ::: "memory");
  sink += pushing((uint64_t)number, 1, 2);
}

static NOINLINE void through_handler(void) {
  raise(SIGUSR1);
  sink = pushing(7, 8, 9);
}

/* The walk itself, walked: the first one, when nothing is cached, and the next. */
static struct stack inner;
static NOINLINE void walks(void) {
  inner.len = walker_here(own_bounds, inner.frames, FRAMES_MAX, &inner.end);
  KEEP();
}
static NOINLINE void walks_cold(void) {
  walker_forget();
  walks();
}

int main(int argc, char **argv) {
  walker_prepare();
  know_stack();
  signal(SIGUSR1, on_signal);
  if (argc > 1 && strcmp(argv[1], "own-code") == 0) {
    stepped("own-code", own_code, 0, false);
    return 0;
  }
  watch(_r_debug.r_ldbase);
  stepped("lazily-bound", lazily_bound, 0, false);
  stepped("c-library", through_c_library, 0, false);
  watch(getauxval(AT_SYSINFO_EHDR));
  stepped("vdso", in_vdso, 0, false);
  stepped("longjmp", over_longjmp, 0, false);
  stack_t other = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&other, NULL);
  stepped("alternate-stack", own_code, SA_ONSTACK, false);
  stepped("signal-return", through_handler, SA_NODEFER, true);
  stepped("walk", walks, 0, false);
  stride = 101;
  forgets = true;
  stepped("cold-walk", walks_cold, 0, false);
  printf("the walk that was walked: end %u, %zu frames\n", inner.end, inner.len);
  return 0;
}

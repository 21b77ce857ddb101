/* Chains of calls in C, of each kind of frame that compilers make. See walker.h for
 * what `chain` comments mean; a name with `?` is missing where a tail call took its place. */
#include "walker.h"
#include <alloca.h>
#include <pthread.h>
#include <search.h>

static volatile int sink;
static volatile size_t eleven = 11;

// chain recursive: recursive recursive recursive recursive main
static NOINLINE int recursive(int n) {
  if (n == 0)
    trace("recursive");
  else
    sink += recursive(n - 1);
  return n + sink;
}

// chain growing: growing main
static NOINLINE int growing(size_t n) {
  char *block = alloca(n * 100);
  volatile int array[n];
  block[n] = 1, array[n - 1] = 2;
  trace("growing");
  return block[n] + array[n - 1];
}

// chain realigned: realigned main
static NOINLINE int realigned(void) {
  _Alignas(128) volatile char block[128];
  block[0] = 1;
  trace("realigned");
  return block[0] + (int)((uintptr_t)block & 127);
}

// chain drap: drap_leaf drap main
static NOINLINE int drap_leaf(volatile char *block) {
  _Alignas(64) volatile char own[64];
  own[1] = *block;
  trace("drap");
  return own[1];
}
static NOINLINE int drap(int a, int b, int c, int d, int e, int f, int on_stack, size_t n) {
  _Alignas(64) volatile char block[64];
  volatile char *more = alloca(n);
  more[n - 1] = 3, block[0] = (char)on_stack;
  return drap_leaf(block) + more[n - 1] + a + b + c + d + e + f;
}

// chain large: large main
static NOINLINE int large(void) {
  volatile char block[300000];
  block[0] = 1, block[299999] = 2;
  trace("large");
  return block[0] + block[299999];
}

// chain arguments: many arguments main
static NOINLINE int many(int a, int b, int c, int d, int e, int f, int g, int h, int i) {
  trace("arguments");
  return a + b + c + d + e + f + g + h + i;
}
static NOINLINE int arguments(int a) { return many(a, a + 1, a, a, a, a, a, a + 2, a) - (int)eleven; }

// chain inlined: inner middle outer main
static inline __attribute__((always_inline)) int inner(int n) {
  trace("inlined");
  return n + sink;
}
static inline __attribute__((always_inline)) int middle(int n) { return inner(n + 1) * 2; }
static NOINLINE int outer(int n) { return middle(n) + 1; }

// chain tail: tail_target tail_caller? main
static NOINLINE int tail_target(int n) {
  trace("tail");
  return n + sink;
}
static NOINLINE int tail_caller(int n) { return tail_target(n + 1); }

// chain noreturn: stops main
static NOINLINE __attribute__((noreturn)) void stops(void) {
  trace("noreturn");
  exit(0);
}

// chain sorting: compare sort main
static NOINLINE int compare(const void *a, const void *b) {
  if (sink++ == 0)
    trace("sorting");
  KEEP();
  return *(const int *)a - *(const int *)b;
}
static NOINLINE void sort(void) {
  int numbers[] = {3, 1, 2};
  sink = 0;
  qsort(numbers, 3, sizeof *numbers, compare);
  sink = numbers[0];
}

// chain visiting: visit tree main
static NOINLINE void visit(const void *node, VISIT which, int depth) {
  (void)node, (void)depth;
  if (which == leaf)
    trace("visiting");
  KEEP();
}
static NOINLINE void tree(void) {
  void *root = NULL;
  static int key = 1;
  tsearch(&key, &root, compare);
  twalk(root, visit);
  tdelete(&key, &root, compare);
}

// chain once: initialize main
static NOINLINE void initialize(void) {
  trace("once");
  KEEP();
}

// chain pointer: called through main
static NOINLINE int called(int n) {
  trace("pointer");
  return n + sink;
}
static int (*volatile pointer)(int) = called;
static NOINLINE int through(int n) { return pointer(n) + 1; }

// chain exit: at_exit stops main
static NOINLINE void at_exit(void) {
  trace("exit");
  KEEP();
}

int main(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  walker_prepare();
  know_stack();
  sink = recursive(3);
  sink = growing(eleven);
  sink = realigned();
  sink = drap(1, 2, 3, 4, 5, 6, 7, eleven);
  sink = large();
  sink = arguments(sink > 1000000);
  sink = outer(1);
  sink = tail_caller(2);
  sort();
  sink = 1;
  tree();
  pthread_once(&once, initialize);
  sink = through(3);
  atexit(at_exit);
  stops();
}

// One fault a run: the argument names it. ./regenerate has the options.
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>

static volatile int zero = 0;
static int global_array[10];
static char *volatile sink;
static void *volatile lost;

namespace shapes {
template <typename T> struct Box {
  T *value;
  __attribute__((noinline)) T operator()(int i) const { return value[i]; }
};
struct Base {
  virtual ~Base() {}
  int a[4];
};
} // namespace shapes

__attribute__((noinline)) static char *allocate(size_t n) { return (char *)malloc(n); }
__attribute__((noinline)) static void release(void *p) { free(p); }

__attribute__((noinline)) static void use_after_free() {
  char *p = allocate(64);
  release(p);
  sink = (char *)(long)p[3];
}
__attribute__((noinline)) static void double_free() {
  char *p = allocate(64);
  release(p);
  release(p);
}
__attribute__((noinline)) static void bad_free() {
  char *p = allocate(64);
  release(p + 8);
}
__attribute__((noinline)) static void mismatch() { delete (int *)allocate(4); }
__attribute__((noinline)) static void new_delete() {
  void *p = operator new(32);
  operator delete(p, (size_t)16);
}
__attribute__((noinline)) static void heap_overflow() {
  shapes::Box<char> box = {new char[10]};
  sink = (char *)(long)box(10 + zero);
}
__attribute__((noinline)) static void stack_overflow_buffer() {
  int x[4] = {1, 2, 3, 4};
  volatile int i = 4 + zero;
  x[i] = 5;
  sink = (char *)x;
}
__attribute__((noinline)) static void global_overflow() { sink = (char *)(long)global_array[10 + zero]; }
__attribute__((noinline)) static char *local() {
  char here[16];
  char *volatile p = here;
  return p;
}
__attribute__((noinline)) static void use_after_return() { local()[3] = 1; }
__attribute__((noinline)) static void use_after_scope() {
  int *volatile p;
  {
    int x = 3;
    p = &x;
  }
  sink = (char *)(long)*p;
}
__attribute__((noinline)) static void poisoned() {
  char *p = allocate(64);
  __asan_poison_memory_region(p, 32);
  p[8] = 1;
}
__attribute__((noinline)) static void container() {
  char *p = allocate(64);
  __sanitizer_annotate_contiguous_container(p, p + 64, p + 64, p + 16);
  sink = (char *)(long)p[20 + zero];
}
__attribute__((noinline)) static void null_write() { *(volatile int *)(long)zero = 1; }
__attribute__((noinline)) static void wild_read() { sink = (char *)(long)*(volatile int *)0xdeadbeefdeadbeef; }
__attribute__((noinline)) static int deep(volatile int n) {
  volatile char room[4096];
  room[n & 4095] = 1;
  return deep(n + 1) + room[0];
}
__attribute__((noinline)) static void divide() { sink = (char *)(long)(3 / zero); }
__attribute__((noinline)) static void too_big() { lost = malloc(((size_t)1 << 62) + (size_t)zero); }
__attribute__((noinline)) static void calloc_overflow() { lost = calloc((size_t)-1 + zero, 16); }
__attribute__((noinline)) static void negative_size() {
  char *p = allocate(64);
  memmove(p, p + 1, (size_t)(-2 + zero));
}
__attribute__((noinline)) static void overlap() {
  char *p = allocate(64);
  volatile size_t n = 8;
  sink = (char *)memcpy(p, p + 4 + zero, n);
}
__attribute__((noinline)) static void pointer_pair() {
  char *p = allocate(64), *q = allocate(64);
  sink = (char *)(long)(p < q);
}
__attribute__((noinline)) static void usable_size() { sink = (char *)malloc_usable_size((void *)global_array); }
static void *thread_main(void *p) {
  ((char *)p)[1] = 2;
  return 0;
}
__attribute__((noinline)) static void in_thread() {
  char *p = allocate(16);
  release(p);
  pthread_t t;
  pthread_create(&t, 0, thread_main, p);
  pthread_join(t, 0);
}
struct Node {
  Node *next;
  char room[24];
};
__attribute__((noinline)) static void leak() {
  for (int i = 0; i < 3; i++) {
    Node *head = (Node *)malloc(sizeof(Node));
    head->next = (Node *)malloc(40);
    lost = head;
  }
  lost = allocate(100);
  lost = 0;
}
// Two findings in one process under halt_on_error=0.
static void twice() {
  use_after_free();
  puts("the program goes on");
  fflush(stdout);
  heap_overflow();
}

int main(int argc, char **argv) {
  struct {
    const char *name;
    void (*run)();
  } faults[] = {{"use_after_free", use_after_free},
                {"double_free", double_free},
                {"bad_free", bad_free},
                {"mismatch", mismatch},
                {"new_delete", new_delete},
                {"heap_overflow", heap_overflow},
                {"stack_buffer_overflow", stack_overflow_buffer},
                {"global_overflow", global_overflow},
                {"use_after_return", use_after_return},
                {"use_after_scope", use_after_scope},
                {"poisoned", poisoned},
                {"container", container},
                {"null_write", null_write},
                {"wild_read", wild_read},
                {"divide", divide},
                {"too_big", too_big},
                {"calloc_overflow", calloc_overflow},
                {"negative_size", negative_size},
                {"overlap", overlap},
                {"pointer_pair", pointer_pair},
                {"usable_size", usable_size},
                {"in_thread", in_thread},
                {"leak", leak},
                {"twice", twice}};
  if (argc > 1 && !strcmp(argv[1], "stack_exhaustion"))
    return deep(0);
  for (auto &fault : faults)
    if (argc > 1 && !strcmp(argv[1], fault.name)) {
      fault.run();
      return 0;
    }
  for (auto &fault : faults)
    puts(fault.name);
  puts("stack_exhaustion");
  return 2;
}

#include "_cgo_export.h"

void ffikit_unwind_bench(const char *label);

__attribute__((noinline)) static void leaf(const char *label) {
  ffikit_unwind_bench(label);
  __asm__ volatile("");
}

void measure(const char *label) {
  leaf(label);
  __asm__ volatile("");
}

__attribute__((noinline)) static void back(const char *label, int crossings) {
  Back((char *)label, crossings);
  __asm__ volatile("");
}

void enter(const char *label, int crossings) {
  back(label, crossings);
  __asm__ volatile("");
}

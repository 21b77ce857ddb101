// All faults of UndefinedBehaviorSanitizer, one after another, or the one that
// the argument numbers. Each is on a line of its own that a comment names with
// the runtime's own term.
#include <stdint.h>
#include <stdlib.h>
#include <limits.h>
#include <stdio.h>

static volatile int zero = 0, one = 1;
static volatile int sink;
static volatile char *volatile room;
enum Colour { RED = 1, GREEN = 2 };
struct Base {
  virtual ~Base() {}
  virtual int call() { return 1; }
};
struct Derived : Base {
  int call() override { return 2; }
};
__attribute__((nonnull)) static void takes(int *p) { sink = p != 0; }
__attribute__((returns_nonnull, noinline)) static int *gives(int *p) { return p; }
static int odd(int a) { return a + 1; }
static int table[4];

__attribute__((noinline)) static int no_return(int a) {
  if (a) return 3;
} // missing-return

static void run(int which) {
  char bytes[16] __attribute__((aligned(16))) = {9, 9, 9, 9, 9, 9, 9, 9};
  room = bytes;
  switch (which) {
  case 0: sink = INT_MAX + one; break;                             // signed-integer-overflow
  case 1: sink = -(INT_MIN + zero); break;                         // signed-integer-overflow
  case 2: sink = 5 / zero; break;                                  // integer-divide-by-zero
  case 3: sink = 1 << (40 + zero); break;                          // invalid-shift-exponent
  case 4: sink = 1 << (-1 + zero); break;                          // invalid-shift-exponent
  case 5: sink = *(int *)(bytes + 1 + zero); break;                // misaligned-pointer-use
  case 6: sink = table[4 + zero]; break;                           // out-of-bounds-index
  case 7: sink = *(bool *)(bytes + zero); break;                   // invalid-bool-load
  case 8: sink = *(Colour *)(bytes + zero); break;                 // invalid-enum-load
  case 9: sink = (int)(1e30 * one); break;                         // float-cast-overflow
  case 10: { volatile int n = -1 + zero; int vla[n]; sink = sizeof(vla); break; } // non-positive-vla-index
  case 11: takes((int *)(intptr_t)zero); break;                    // invalid-null-argument
  case 12: sink = gives((int *)(intptr_t)zero) != 0; break;        // invalid-null-return
  case 13: room = (char *)UINTPTR_MAX + one; break;                // nullptr-after-nonzero-offset
  case 26: room = (char *)UINTPTR_MAX + 5 * one; break;            // pointer-overflow
  case 27: { char *p = (char *)__builtin_assume_aligned(bytes + 1 + zero, 8); room = p; break; } // alignment-assumption
  case 14: room = (char *)(intptr_t)zero + one; break;             // nullptr-with-nonzero-offset
  case 15: sink = no_return(zero); break;
  case 16: sink = __builtin_ctz(zero); break;                      // invalid-builtin-use
#ifdef __clang__
  case 17: { unsigned u = UINT_MAX; sink = u + one; break; }       // unsigned-integer-overflow
  case 18: { unsigned char c = (unsigned char)0; c = 300 + zero; sink = c; break; }
  case 19: { unsigned u = 70000 + zero; unsigned short s = u; sink = s; break; }
  case 20: { int i = -5 + zero; unsigned u = i; sink = u != 0; break; }
  case 21: sink = ((int (*)(long))odd)(3); break;                  // function-type-mismatch
  case 22: sink = (int)(1.0 / (double)zero > 0); break;            // float-divide-by-zero
#endif
  case 23: { char *volatile raw = (char *)malloc(64); sink = ((Base *)raw)->call(); break; } // dynamic-type-mismatch or null
  case 24: sink = *(int *)(intptr_t)zero; break;                   // null-pointer-use
  case 25: __builtin_unreachable();                                // unreachable-call
  default: exit(3);
  }
}

int main(int argc, char **argv) {
  run(argc > 1 ? atoi(argv[1]) : 0);
  return 0;
}

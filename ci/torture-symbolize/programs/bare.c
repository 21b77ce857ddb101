/* Without any library, so that each target's compiler builds it: inlined calls
   three deep, a cold path, lexical blocks, a function reached by pointer. */
#include "bare.h"

volatile int sink;
struct pair { int first; enum { LOW, HIGH } second; };

static inline __attribute__((always_inline)) int clamp(int x, int limit) {
  {
    int over = x - limit;
    if (over > 0) x -= over;
  }
  return x;
}
static inline __attribute__((always_inline)) int scale(int x) { sink += x; return clamp(x * 2, 4096); }
static inline __attribute__((always_inline)) int mix(int x) { return scale(x) + scale(x + 1); }

__attribute__((noinline, cold)) static void refuse(int x) { sink = -x; }

__attribute__((noinline)) int total(const struct pair *p) {
  int sum = mix(p->first);
  for (int i = 0; i < p->second; i++) {
    int step = mix(i);
    sum += step;
  }
  if (__builtin_expect(sum < 0, 0)) refuse(sum);
  return sum + rest(sum);
}

int (*volatile chosen)(const struct pair *) = total;

void _start(void) {
  struct pair p = {3, HIGH};
  for (;;) sink = chosen(&p) + mix(sink);
}

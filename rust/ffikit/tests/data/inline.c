/* Two levels of inlining into a function that stays. tests/symbolizer.rs
 * compiles it and finds the lines by their marker comments. */
static volatile int sink;

static inline __attribute__((always_inline)) int inner(int value) {
  sink = value * 3; /* line: inner */
  return sink;
}

static inline __attribute__((always_inline)) int middle(int value) {
  return inner(value + 1); /* line: middle */
}

__attribute__((noinline)) int outer(int value) {
  int result = middle(value); /* line: outer */
  return result - sink;
}

int main(void) { return outer(1); }

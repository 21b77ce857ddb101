/* An inlined function of another file than the one that it lands in. */
int rest(int x);
static inline __attribute__((always_inline)) int half(int x) {
  return x > 8 ? x - (x >> 1) : x;
}

// The second unit of the C++ program.
#include "shelf.h"

namespace shop {
long sum(const Shelf<long, 16> &shelf) {
  long total = 0;
  for (long item : shelf) total += hidden(static_cast<int>(item));
  Shelf<int, 4> small;
  small.put(static_cast<int>(total));
  small.each([&](int item) { total ^= item; });
  return total;
}
}  // namespace shop

// The hosted C++ program: templates, lambdas, virtual functions, exceptions.
#include "shelf.h"

#include <stdexcept>

namespace shop {
namespace {
struct Dear : Price {
  long cents() const override { return 100 + hidden(3); }
};
__attribute__((noinline)) long check(long x) {
  if (x < 0) throw std::out_of_range("below zero");
  return x;
}
}  // namespace
template <typename T>
__attribute__((noinline)) T largest(const Shelf<T, 16> &shelf) {
  T found{};
  shelf.each([&](const T &item) { found = item > found ? item : found; });
  return found;
}
}  // namespace shop

int main(int argc, char **) {
  shop::Shelf<long, 16> shelf;
  shop::Dear dear;
  shop::Price *price = &dear;
  for (int i = 0; i < argc * 20; i++) shelf.put(price->cents() * i);
  try {
    return static_cast<int>(shop::check(shop::largest(shelf) - shop::sum(shelf)) & 1);
  } catch (const std::exception &) {
    return 0;
  }
}

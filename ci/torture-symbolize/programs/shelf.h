// What both units of the C++ program inline: a template of a class, one of a
// function, in nested namespaces.
#pragma once

namespace shop {
namespace {
inline int hidden(int x) { return x * 7; }
}  // namespace
inline namespace v2 {
template <typename Item, int Room>
class Shelf {
 public:
  void put(const Item &item) { items_[count_++ % Room] = item; }
  template <typename Visit>
  void each(Visit visit) const {
    for (int i = 0; i < count_ && i < Room; i++) visit(items_[i]);
  }
  struct Cursor {
    const Item *at;
    const Item &operator*() const { return *at; }
    Cursor &operator++() { return ++at, *this; }
    bool operator!=(const Cursor &other) const { return at != other.at; }
  };
  Cursor begin() const { return {items_}; }
  Cursor end() const { return {items_ + (count_ < Room ? count_ : Room)}; }

 private:
  Item items_[Room] = {};
  int count_ = 0;
};
}  // namespace v2
struct Price {
  virtual ~Price() {}
  virtual long cents() const { return 1; }
};
long sum(const Shelf<long, 16> &shelf);
}  // namespace shop

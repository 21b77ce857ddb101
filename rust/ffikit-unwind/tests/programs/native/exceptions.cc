// C++ exceptions in flight. See walker.h for what `chain` comments mean.
#include "walker.h"
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

static volatile int sink;

struct Witness {
  const char *label;
  explicit Witness(const char *label) : label(label) {}
  // chain unwinding: ~Witness guarded middle main
  // chain unwinding-in-thread: ~Witness guarded operator() thread_main
  NOINLINE ~Witness() {
    if (std::uncaught_exceptions())
      trace(label);
    KEEP();
  }
};

static NOINLINE void thrower(int n) {
  if (n == 0)
    throw std::runtime_error("thrown");
  thrower(n - 1);
  KEEP();
}

static NOINLINE void guarded(const char *label) {
  Witness witness(label);
  thrower(3);
  KEEP();
}

// chain catching: catching main
static NOINLINE void catching() {
  try {
    thrower(4);
  } catch (const std::exception &error) {
    sink = static_cast<int>(error.what()[0]);
    trace("catching");
  }
  KEEP();
}

static NOINLINE void middle() {
  try {
    guarded("unwinding");
  } catch (...) {
    sink = 1;
  }
  KEEP();
}

// chain rethrown: rethrown main
static NOINLINE void rethrown() {
  try {
    try {
      thrower(1);
    } catch (...) {
      throw;
    }
  } catch (const std::runtime_error &) {
    trace("rethrown");
  }
  KEEP();
}

// chain nested: inside nested main
static NOINLINE void inside() {
  try {
    thrower(2);
  } catch (...) {
    trace("nested");
  }
  KEEP();
}
static NOINLINE void nested() {
  try {
    thrower(2);
  } catch (...) {
    inside();
  }
  KEEP();
}

struct Shape {
  virtual ~Shape() = default;
  virtual void draw() const = 0;
};
struct Circle : Shape {
  // chain virtual: draw calls_virtual main
  NOINLINE void draw() const override {
    trace("virtual");
    KEEP();
  }
};
static NOINLINE void calls_virtual(const Shape &shape) {
  shape.draw();
  KEEP();
}

template <typename T> struct Generic {
  // chain template: apply main
  NOINLINE void apply(T value) {
    sink = static_cast<int>(value);
    trace("template");
    KEEP();
  }
};

static NOINLINE void thread_main() {
  auto body = [] {
    try {
      guarded("unwinding-in-thread");
    } catch (...) {
      sink = 2;
    }
    KEEP();
  };
  know_stack();
  body();
  KEEP();
}

// Nobody catches: the thrower's frames are still there.
// chain terminating: at_terminate throws_uncaught main
static NOINLINE void throws_uncaught() noexcept(false) { throw 42; }
[[noreturn]] static NOINLINE void at_terminate() {
  trace("terminating");
  _exit(0);
}

int main() {
  walker_prepare();
  know_stack();
  catching();
  middle();
  rethrown();
  nested();
  calls_virtual(*std::make_unique<Circle>());
  Generic<double>().apply(4.5);
  std::thread(thread_main).join();
  std::set_terminate(at_terminate);
  throws_uncaught();
}

// ffikit.h serves C++ as well: compiled, linked and called as C++.
#include <ffikit/ffikit.h>

#include <cstdio>
#include <cstring>
#include <type_traits>

static_assert(std::is_trivially_copyable<ffikit_symbolizer>::value, "a handle is a plain value");
static_assert(sizeof(ffikit_symbolizer) == 8, "a handle has 64 bits");
static_assert(!std::is_same<ffikit_symbolizer, ffikit_report>::value, "handles have types");

int main() {
  ffikit_string *readable = nullptr;
  ffikit_error *error = nullptr;
  const char name[] = "_ZNSt6vectorIiE4sizeEv";
  if (ffikit_demangle(name, sizeof name - 1, &readable, &error) != FFIKIT_OK) {
    std::fprintf(stderr, "%s\n", ffikit_error_message(error));
    return 1;
  }
  const bool right = std::strcmp(ffikit_string_data(readable), "std::vector<int>::size()") == 0;
  std::printf("%s C++: %s\n", right ? "ok  " : "FAIL", ffikit_string_data(readable));
  ffikit_string_free(readable);
  return right && ffikit_abi_version() == FFIKIT_ABI_VERSION ? 0 : 1;
}

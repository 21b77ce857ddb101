/* A user's program over Rust's own C ABI. scripts/package-c builds it. */
#include <ffikit_rs.h>

#include <stdio.h>
#include <string.h>

int main(void) {
  struct ffikit_rs_string *readable = NULL;
  struct ffikit_rs_error *error = NULL;
  const char *name = "_RNvCs1234_7mycrate3foo";
  if (ffikit_rs_abi_version() != FFIKIT_RS_ABI_VERSION) {
    fprintf(stderr, "libffikit_rs %s has another ABI\n", ffikit_rs_version());
    return 1;
  }
  if (ffikit_rs_demangle(name, strlen(name), &readable, &error) != 0) {
    fprintf(stderr, "%s\n", ffikit_rs_error_message(error));
    ffikit_rs_error_free(error);
    return 1;
  }
  printf("%s\n", ffikit_rs_string_data(readable));
  int right = strstr(ffikit_rs_string_data(readable), "mycrate::foo") != NULL;
  ffikit_rs_string_free(readable);
  return right ? 0 : 1;
}

/* The C tests of libffikit. With FFIKIT_TESTING they are linked to a test
 * build of it and also run what only that has. With the argument --demangle
 * it only makes one call: what a child does that execs. */
#include "check.h"

static int demangle_main(void) {
  ffikit_string *readable = NULL;
  ffikit_status status = ffikit_demangle("main", 4, &readable, NULL);
  ffikit_string_free(readable);
  return status == FFIKIT_OK ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--demangle") == 0)
    return demangle_main();
  check_run(result_tests);
  check_run(symbolizer_tests);
  check_run(report_tests);
  check_run(argument_tests);
  check_run(handle_tests);
#ifdef FFIKIT_TESTING
  check_run(barrier_tests);
#endif
  check_run(fork_tests);
  return check_end();
}

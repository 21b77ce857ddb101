/* check.h - a test is a function that CHECKs; main runs all of a list. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ffikit/ffikit.h>

/** Fails the running test, says where and what, and goes on. */
#define CHECK(condition) ((condition) ? (void)check_passed() : check_failed(__FILE__, __LINE__, "%s", #condition))
/** Both integers are equal; shows them where they are not. */
#define CHECK_INT(got, want)                                                                                           \
  (check_equal((intmax_t)(got), (intmax_t)(want))                                                                      \
       ? (void)check_passed()                                                                                          \
       : check_failed(__FILE__, __LINE__, "%s is %jd, not %jd", #got, (intmax_t)(got), (intmax_t)(want)))
/** Both texts are equal. */
#define CHECK_TEXT(got, want)                                                                                          \
  (strcmp((got), (want)) == 0 ? (void)check_passed()                                                                   \
                              : check_failed(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #got, (got), (want)))
/** A text holds a part. */
#define CHECK_HAS(got, part)                                                                                           \
  (strstr((got), (part)) != NULL ? (void)check_passed()                                                                \
                                 : check_failed(__FILE__, __LINE__, "%s lacks \"%s\": %s", #got, (part), (got)))
/** A call that must succeed. error points at its err_out variable: on failure
 *  the error is shown, freed and set to NULL. */
#define CHECK_OK(status, error) check_ok(__FILE__, __LINE__, (status), (error))
/** A call that must fail with a status and a message that holds part. Frees
 *  the error and sets it to NULL. */
#define CHECK_FAILS(status, error, want, part) check_fails(__FILE__, __LINE__, (status), (error), (want), (part))

typedef struct check_test {
  const char *name;
  void (*run)(void);
} check_test;

/** Runs the tests of a list that ends in a NULL name. */
void check_run(const check_test *tests);
/** Prints "N passed, N failed" of all tests; gives main's result. */
int check_end(void);

void check_passed(void);
void check_failed(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool check_equal(intmax_t got, intmax_t want);
bool check_ok(const char *file, int line, ffikit_status status, ffikit_error **error);
void check_fails(const char *file, int line, ffikit_status status, ffikit_error **error, ffikit_status want,
                 const char *part);

/** Runs body in a child made by fork_like, which gives 0 in the child; body's
 *  checks count there, and the test fails where the child does, or where it
 *  does not end within 20 seconds. */
void check_in_child(int (*fork_like)(void), void (*body)(void));

/** What each file of tests has; NULL-terminated lists. */
extern const check_test result_tests[];
extern const check_test symbolizer_tests[];
extern const check_test report_tests[];
extern const check_test argument_tests[];
extern const check_test handle_tests[];
extern const check_test fork_tests[];
extern const check_test barrier_tests[];

#endif /* CHECK_H */

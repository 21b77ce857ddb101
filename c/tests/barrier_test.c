/* The panic barrier: a deliberate panic in Go, which only test builds have. */
#include "check.h"

#ifdef FFIKIT_TESTING

#include <ffikit/ffikit_testing.h>

#include <pthread.h>

static void check_alive(void) {
  ffikit_string *readable = NULL;
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_demangle("main", 4, &readable, &error), &error);
  CHECK_TEXT(ffikit_string_data(readable), "main");
  ffikit_string_free(readable);
}

static void a_panic_becomes_an_error(void) {
  ffikit_error *error = NULL;
  CHECK_FAILS(ffikit_testing_panic("deliberate", 10, &error), &error, FFIKIT_ERR_PANIC, "deliberate");
  CHECK_FAILS(ffikit_testing_panic("where", 5, &error), &error, FFIKIT_ERR_PANIC, "testing.go:");
  CHECK_INT(ffikit_testing_panic("unwanted", 8, NULL), FFIKIT_ERR_PANIC);
  check_alive();
}

static void a_nil_dereference_becomes_an_error(void) {
  ffikit_error *error = NULL;
  CHECK_FAILS(ffikit_testing_panic(NULL, 0, &error), &error, FFIKIT_ERR_PANIC, "nil pointer dereference");
  check_alive();
}

static void *panic_again_and_again(void *argument) {
  (void)argument;
  for (int i = 0; i < 50; i++) {
    ffikit_error *error = NULL;
    CHECK_FAILS(ffikit_testing_panic("one of many", 11, &error), &error, FFIKIT_ERR_PANIC, "one of many");
  }
  return NULL;
}

static void threads_panic_at_once(void) {
  pthread_t threads[8];
  for (int i = 0; i < 8; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, panic_again_and_again, NULL), 0);
  for (int i = 0; i < 8; i++)
    CHECK_INT(pthread_join(threads[i], NULL), 0);
  check_alive();
}

static void there_is_one_runtime_with_one_counter(void) {
  uint64_t first = 0, second = 0, id = 0, again = 1;
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_testing_counter_inc(&first, &error), &error);
  CHECK_OK(ffikit_testing_counter_inc(&second, &error), &error);
  CHECK_INT(second, first + 1);
  CHECK_OK(ffikit_testing_runtime_id(&id, &error), &error);
  CHECK_OK(ffikit_testing_runtime_id(&again, &error), &error);
  CHECK(id != 0 && id == again);
}

const check_test barrier_tests[] = {
    {"a panic becomes an error", a_panic_becomes_an_error},
    {"a nil dereference becomes an error", a_nil_dereference_becomes_an_error},
    {"threads panic at once", threads_panic_at_once},
    {"there is one runtime with one counter", there_is_one_runtime_with_one_counter},
    {NULL, NULL},
};

#endif /* FFIKIT_TESTING */

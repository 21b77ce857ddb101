/* Forked children: Go is dead there, so every call must come back at once. A
 * child that hangs is ended by check_in_child and fails the test. */
#include "check.h"
#include "self.h"

#ifdef FFIKIT_TESTING
#include <ffikit/ffikit_testing.h>
#endif

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Made before the fork; the child reads and frees its copies. */
static ffikit_symbolizer symbolizer;
static ffikit_report report;
static ffikit_frames *frames;
static ffikit_string *string;
static ffikit_error *refusal;

static ffikit_status resolve(ffikit_frames **frames_out, ffikit_error **err_out) {
  uint64_t asked = self_virt_addr((const void *)(uintptr_t)&self_virt_addr);
  return ffikit_symbolizer_resolve(symbolizer, self_path(), strlen(self_path()), &asked, 1, frames_out, err_out);
}

static void make_all(void) {
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_symbolizer_new(NULL, &symbolizer, &error), &error);
  CHECK_OK(ffikit_report_parse(NULL, 0, NULL, &report, &error), &error);
  CHECK_OK(resolve(&frames, &error), &error);
  CHECK_OK(ffikit_demangle("_ZN3foo3barEv", 13, &string, &error), &error);
  CHECK_INT(ffikit_demangle(NULL, 1, &string, &refusal), FFIKIT_ERR_ARGUMENT);
}

static void free_all(void) {
  ffikit_frames_free(frames);
  ffikit_string_free(string);
  ffikit_error_free(refusal);
  ffikit_symbolizer_free(symbolizer);
  ffikit_report_free(report);
}

static void every_call_is_refused(void) {
  ffikit_error *error = NULL;
  ffikit_symbolizer s = {0};
  ffikit_report r = {0};
  ffikit_frames *f = NULL;
  ffikit_string *t = NULL;
  size_t n = 0;
  CHECK_FAILS(ffikit_symbolizer_new(NULL, &s, &error), &error, FFIKIT_ERR_FORKED, "spawn");
  CHECK_FAILS(resolve(&f, &error), &error, FFIKIT_ERR_FORKED, "ffikit_symbolizer_resolve");
  CHECK_FAILS(ffikit_report_parse(NULL, 0, NULL, &r, &error), &error, FFIKIT_ERR_FORKED, "forkserver");
  CHECK_FAILS(ffikit_report_count(report, &n, &error), &error, FFIKIT_ERR_FORKED, "exec");
  CHECK_FAILS(ffikit_report_render(report, FFIKIT_FORMAT_TEXT, &t, &error), &error, FFIKIT_ERR_FORKED, "child");
  CHECK_FAILS(ffikit_demangle("main", 4, &t, &error), &error, FFIKIT_ERR_FORKED, "forked");
  CHECK_INT(ffikit_demangle("main", 4, &t, NULL), FFIKIT_ERR_FORKED);
  CHECK(s.bits == 0 && r.bits == 0 && f == NULL && t == NULL && n == 0);
#ifdef FFIKIT_TESTING
  uint64_t sum = 0;
  CHECK_FAILS(ffikit_testing_goroutines(4, &sum, &error), &error, FFIKIT_ERR_FORKED, "forked");
#endif
}

static void results_are_read_and_freed(void) {
  CHECK_INT(ffikit_abi_version(), FFIKIT_ABI_VERSION);
  const ffikit_frame *first = ffikit_frames_at(frames, 0);
  CHECK(first != NULL);
  if (first != NULL)
    CHECK_TEXT(first->function, "self_virt_addr");
  CHECK_HAS(ffikit_string_data(string), "foo::bar");
  CHECK_INT(ffikit_error_status(refusal), FFIKIT_ERR_ARGUMENT);
  CHECK_HAS(ffikit_error_message(refusal), "ffikit_demangle");
  free_all(); /* of the handles: does nothing here */
}

static void in_the_child(void) {
  every_call_is_refused();
  results_are_read_and_freed();
}

static int plain_fork(void) { return (int)fork(); }

/* As fork, but no atfork handler runs: only the wiped page tells. */
static int bare_clone(void) { return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0); }

static void check_parent_still_works(void) {
  ffikit_frames *more = NULL;
  ffikit_error *error = NULL;
  CHECK_OK(resolve(&more, &error), &error);
  ffikit_frames_free(more);
#ifdef FFIKIT_TESTING
  uint64_t sum = 0;
  CHECK_OK(ffikit_testing_goroutines(100, &sum, &error), &error);
  CHECK_INT(sum, 5050);
#endif
  free_all();
  CHECK_INT(resolve(&more, NULL), FFIKIT_ERR_HANDLE);
}

static void a_child_of_fork_is_refused(void) {
  make_all();
  check_in_child(plain_fork, in_the_child);
  check_parent_still_works();
}

static void a_child_of_clone_is_refused(void) {
  make_all();
  check_in_child(bare_clone, in_the_child);
  check_parent_still_works();
}

static void fork_again_and_be_refused(void) { check_in_child(plain_fork, in_the_child); }

static void a_grandchild_is_refused(void) {
  make_all();
  check_in_child(plain_fork, fork_again_and_be_refused);
  check_parent_still_works();
}

/* Forks while other threads are within calls. */
static void *call_on(void *stop) {
  while (!*(volatile int *)stop) {
    ffikit_frames *more = NULL;
    (void)resolve(&more, NULL);
    ffikit_frames_free(more);
  }
  return NULL;
}

static void forks_amid_calls_are_refused(void) {
  make_all();
  volatile int stop = 0;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, call_on, (void *)&stop), 0);
  for (int i = 0; i < 20; i++)
    check_in_child(plain_fork, in_the_child);
  stop = 1;
  for (int i = 0; i < 4; i++)
    CHECK_INT(pthread_join(threads[i], NULL), 0);
  check_parent_still_works();
}

/* After exec the library is a new one: nothing is refused. */
static void a_child_that_execs_works(void) {
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    execl(self_path(), self_path(), "--demangle", (char *)NULL);
    _exit(127);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK_INT(WEXITSTATUS(status), 0);
}

const check_test fork_tests[] = {
    {"a child of fork is refused", a_child_of_fork_is_refused},
    {"a child of clone is refused", a_child_of_clone_is_refused},
    {"a grandchild is refused", a_grandchild_is_refused},
    {"forks amid calls are refused", forks_amid_calls_are_refused},
    {"a child that execs works", a_child_that_execs_works},
    {NULL, NULL},
};

#include "check.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* Threads check as well, so the counters are atomic. */
static atomic_int checks_failed_now;
static atomic_int checks_now;
static int tests_passed, tests_failed;

void check_passed(void) { atomic_fetch_add(&checks_now, 1); }

void check_failed(const char *file, int line, const char *format, ...) {
  atomic_fetch_add(&checks_now, 1);
  atomic_fetch_add(&checks_failed_now, 1);
  fprintf(stderr, "%s:%d: ", file, line);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

bool check_equal(intmax_t got, intmax_t want) { return got == want; }

bool check_ok(const char *file, int line, ffikit_status status, ffikit_error **error) {
  if (status == FFIKIT_OK && *error == NULL) {
    check_passed();
    return true;
  }
  check_failed(file, line, "%s: %s", ffikit_status_name(status), ffikit_error_message(*error));
  ffikit_error_free(*error);
  *error = NULL;
  return false;
}

void check_fails(const char *file, int line, ffikit_status status, ffikit_error **error, ffikit_status want,
                 const char *part) {
  const char *message = ffikit_error_message(*error);
  if (status != want)
    check_failed(file, line, "status is %s (%s), not %s", ffikit_status_name(status), message,
                 ffikit_status_name(want));
  else if (*error == NULL)
    check_failed(file, line, "%s came without an error", ffikit_status_name(status));
  else if (ffikit_error_status(*error) != want)
    check_failed(file, line, "the error says %s", ffikit_status_name(ffikit_error_status(*error)));
  else if (strstr(message, part) == NULL)
    check_failed(file, line, "the message lacks \"%s\": %s", part, message);
  else
    check_passed();
  ffikit_error_free(*error);
  *error = NULL;
}

void check_in_child(int (*fork_like)(void), void (*body)(void)) {
  fflush(NULL);
  int child = fork_like();
  if (child == 0) {
    alarm(20); /* a hang ends by SIGALRM, which the parent sees */
    atomic_store(&checks_failed_now, 0);
    atomic_store(&checks_now, 0);
    body();
    _exit(atomic_load(&checks_failed_now) == 0 && atomic_load(&checks_now) > 0 ? 0 : 1);
  }
  CHECK(child > 0);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status))
    check_failed(__FILE__, __LINE__, "the child ended by signal %d%s", WTERMSIG(status),
                 WTERMSIG(status) == SIGALRM ? ": it hung" : "");
  else
    CHECK_INT(WEXITSTATUS(status), 0);
}

void check_run(const check_test *tests) {
  for (; tests->name != NULL; tests++) {
    atomic_store(&checks_failed_now, 0);
    atomic_store(&checks_now, 0);
    tests->run();
    if (atomic_load(&checks_now) == 0)
      check_failed(tests->name, 0, "the test checked nothing");
    if (atomic_load(&checks_failed_now) == 0) {
      tests_passed++;
      printf("ok   %s\n", tests->name);
    } else {
      tests_failed++;
      printf("FAIL %s\n", tests->name);
    }
  }
}

int check_end(void) {
  printf("%d passed, %d failed\n", tests_passed, tests_failed);
  fflush(stdout); /* a leak that is found at exit ends the process unflushed */
  return tests_passed > 0 && tests_failed == 0 ? 0 : 1;
}

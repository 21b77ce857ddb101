/* The fork guard, and the other refusals that need no Go.
 *
 * Of a process's threads only the one that forks lives on in the child. The Go
 * runtime's other threads are gone there, so a call that needs the scheduler
 * or the garbage collector would wait for ever. */
#include "guard.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "result.h"

/* The largest structure that a caller may hand in: far more than any will
 * grow to, and a bound on what a wrong struct_size makes us read. */
enum { LARGEST_STRUCT_BYTES = 4096 };

/* Set by the child of fork(). Written before the child runs anything else. */
static volatile int forked;

/* Points at 1 in the process that loaded us. The kernel gives every child a
 * zeroed copy (MADV_WIPEONFORK), also one that comes from clone() or _Fork(),
 * which run no atfork handlers. Where the kernel refuses, it points at alive
 * and only fork() is noticed. */
static const int alive = 1;
static const volatile int *wiped = &alive;

static void in_child(void) { forked = 1; }

__attribute__((constructor)) static void guard_init(void) {
  pthread_atfork(NULL, NULL, in_child);
  size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
  void *page = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    return;
#ifdef MADV_WIPEONFORK
  if (madvise(page, page_bytes, MADV_WIPEONFORK) == 0) {
    *(int *)page = 1;
    wiped = page;
    return;
  }
#endif
  munmap(page, page_bytes);
}

bool ffikit_guard_forked(void) { return forked || *wiped == 0; }

ffikit_status ffikit_guard_refuse(ffikit_status status, const char *message, ffikit_error **err_out) {
  ffikit_result_error(status, message, strlen(message), err_out);
  return status;
}

ffikit_status ffikit_guard_refuse_fork(const char *function, ffikit_error **err_out) {
  char message[512];
  snprintf(message, sizeof message,
           "%s: called in a forked child, where the Go runtime of libffikit is dead; start the child "
           "with exec (in Python: multiprocessing's \"spawn\" or \"forkserver\"), or call before the fork",
           function);
  return ffikit_guard_refuse(FFIKIT_ERR_FORKED, message, err_out);
}

bool ffikit_guard_known(void *known, size_t known_size, const void *caller) {
  memset(known, 0, known_size);
  if (caller == NULL)
    return true;
  size_t caller_size;
  memcpy(&caller_size, caller, sizeof caller_size);
  if (caller_size < sizeof caller_size || caller_size > LARGEST_STRUCT_BYTES)
    return false;
  const unsigned char *bytes = caller;
  for (size_t i = known_size; i < caller_size; i++)
    if (bytes[i] != 0)
      return false;
  memcpy(known, caller, caller_size < known_size ? caller_size : known_size);
  return true;
}

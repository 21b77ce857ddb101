/* Handles: whatever number comes in, and from however many threads. */
#include "check.h"
#include "self.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

static ffikit_symbolizer symbolizer(void) {
  ffikit_symbolizer made = {0};
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_symbolizer_new(NULL, &made, &error), &error);
  return made;
}

static ffikit_status resolve_self(ffikit_symbolizer self, ffikit_error **err_out) {
  uint64_t asked = self_virt_addr((const void *)(uintptr_t)&self_virt_addr);
  ffikit_frames *frames = NULL;
  ffikit_status status = ffikit_symbolizer_resolve(self, self_path(), strlen(self_path()), &asked, 1, &frames, err_out);
  CHECK((status == FFIKIT_OK) == (frames != NULL));
  if (frames != NULL)
    CHECK(ffikit_frames_len(frames) > 0);
  ffikit_frames_free(frames);
  return status;
}

static void check_refused(uint64_t bits) {
  ffikit_error *error = NULL;
  size_t count = 7;
  ffikit_string *string = NULL;
  CHECK_FAILS(resolve_self((ffikit_symbolizer){bits}, &error), &error, FFIKIT_ERR_HANDLE, "handle");
  CHECK_FAILS(ffikit_report_count((ffikit_report){bits}, &count, &error), &error, FFIKIT_ERR_HANDLE, "handle");
  CHECK_FAILS(ffikit_report_render((ffikit_report){bits}, FFIKIT_FORMAT_JSON, &string, &error), &error,
              FFIKIT_ERR_HANDLE, "handle");
  CHECK(count == 7 && string == NULL); /* outputs are written on success only */
  ffikit_symbolizer_free((ffikit_symbolizer){bits});
  ffikit_report_free((ffikit_report){bits});
}

static void what_is_no_handle_is_refused(void) {
  check_refused(0);
  check_refused(1);
  check_refused(UINT64_MAX);
  ffikit_symbolizer live = symbolizer();
  for (int bit = 0; bit < 64; bit++)
    check_refused(live.bits ^ (uint64_t)1 << bit);
  ffikit_error *error = NULL;
  CHECK_OK(resolve_self(live, &error), &error);
  ffikit_symbolizer_free(live);
}

static void freed_and_foreign_handles_are_refused(void) {
  ffikit_symbolizer freed = symbolizer();
  ffikit_symbolizer_free(freed);
  check_refused(freed.bits);
  ffikit_symbolizer next = symbolizer(); /* may take the freed one's place */
  CHECK(next.bits != freed.bits);
  check_refused(freed.bits);
  ffikit_symbolizer_free(freed); /* a second free frees nobody else */
  ffikit_error *error = NULL;
  CHECK_OK(resolve_self(next, &error), &error);

  /* A symbolizer is no report, and freeing it as one does nothing. */
  size_t count;
  CHECK_FAILS(ffikit_report_count((ffikit_report){next.bits}, &count, &error), &error, FFIKIT_ERR_HANDLE, "type");
  ffikit_report_free((ffikit_report){next.bits});
  CHECK_OK(resolve_self(next, &error), &error);
  ffikit_symbolizer_free(next);
}

enum { THREADS = 8, ROUNDS = 40 };

typedef struct shared {
  ffikit_symbolizer symbolizer;
  atomic_int ok, refused, other;
  pthread_barrier_t start;
} shared;

static void *resolve_until_freed(void *argument) {
  shared *s = argument;
  pthread_barrier_wait(&s->start);
  for (int i = 0; i < 20; i++) {
    ffikit_error *error = NULL;
    ffikit_status status = resolve_self(s->symbolizer, &error);
    atomic_fetch_add(status == FFIKIT_OK ? &s->ok : status == FFIKIT_ERR_HANDLE ? &s->refused : &s->other, 1);
    ffikit_error_free(error);
    if (status != FFIKIT_OK)
      break;
  }
  return NULL;
}

static void *free_it(void *argument) {
  shared *s = argument;
  pthread_barrier_wait(&s->start);
  ffikit_symbolizer_free(s->symbolizer);
  return NULL;
}

static void threads_may_free_what_others_use(void) {
  int ok = 0, refused = 0;
  for (int round = 0; round < ROUNDS; round++) {
    shared s = {.symbolizer = symbolizer()};
    pthread_t threads[THREADS];
    CHECK_INT(pthread_barrier_init(&s.start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
      CHECK_INT(pthread_create(&threads[i], NULL, i < 2 ? free_it : resolve_until_freed, &s), 0);
    for (int i = 0; i < THREADS; i++)
      pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&s.start);
    CHECK_INT(atomic_load(&s.other), 0);
    CHECK_INT(resolve_self(s.symbolizer, NULL), FFIKIT_ERR_HANDLE);
    ok += atomic_load(&s.ok);
    refused += atomic_load(&s.refused);
  }
  CHECK(ok + refused > 0);
}

static void *make_use_and_free(void *argument) {
  (void)argument;
  for (int i = 0; i < 20; i++) {
    ffikit_symbolizer own = symbolizer();
    ffikit_error *error = NULL;
    CHECK_OK(resolve_self(own, &error), &error);
    ffikit_symbolizer_free(own);
  }
  return NULL;
}

static void threads_make_and_free_their_own(void) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, make_use_and_free, NULL), 0);
  for (int i = 0; i < THREADS; i++)
    CHECK_INT(pthread_join(threads[i], NULL), 0);
}

/* A second libffikit in the process: another Go runtime, with handles of its
 * own. The path is that of another build. */
static void a_second_library_keeps_to_itself(void) {
  const char *path = getenv("FFIKIT_SECOND_LIBRARY");
  CHECK(path != NULL);
  void *second = dlopen(path != NULL ? path : "", RTLD_NOW | RTLD_LOCAL);
  CHECK(second != NULL);
  if (second == NULL)
    return;
  ffikit_status (*second_new)(const ffikit_symbolizer_options *, ffikit_symbolizer *, ffikit_error **);
  ffikit_status (*second_resolve)(ffikit_symbolizer, const char *, size_t, const uint64_t *, size_t, ffikit_frames **,
                                  ffikit_error **);
  void (*second_free)(ffikit_symbolizer);
  *(void **)&second_new = dlsym(second, "ffikit_symbolizer_new");
  *(void **)&second_resolve = dlsym(second, "ffikit_symbolizer_resolve");
  *(void **)&second_free = dlsym(second, "ffikit_symbolizer_free");
  CHECK(second_new != NULL && second_new != ffikit_symbolizer_new);

  ffikit_symbolizer ours = symbolizer(), theirs = {0};
  ffikit_frames *frames = NULL;
  ffikit_error *error = NULL;
  CHECK_OK(second_new(NULL, &theirs, &error), &error);
  CHECK_FAILS(resolve_self(theirs, &error), &error, FFIKIT_ERR_HANDLE, "foreign");
  CHECK_FAILS(second_resolve(ours, "/x", 2, NULL, 0, &frames, &error), &error, FFIKIT_ERR_HANDLE, "foreign");
  ffikit_symbolizer_free(theirs); /* not ours: ignored */
  CHECK_INT(second_resolve(theirs, self_path(), strlen(self_path()), NULL, 0, &frames, NULL), FFIKIT_OK);
  ffikit_frames_free(frames); /* plain memory: either library frees it */
  second_free(theirs);
  ffikit_symbolizer_free(ours);
}

const check_test handle_tests[] = {
    {"what is no handle is refused", what_is_no_handle_is_refused},
    {"freed and foreign handles are refused", freed_and_foreign_handles_are_refused},
    {"threads may free what others use", threads_may_free_what_others_use},
    {"threads make and free their own", threads_make_and_free_their_own},
    {"a second library keeps to itself", a_second_library_keeps_to_itself},
    {NULL, NULL},
};

/* tracker_torture LIBRARY ROUNDS SEED: threads, signal handlers that allocate at any instruction, thread
   destructors, libraries that come and go, forks with handlers, vfork, mappings, all at once, while the tracker
   counts. Says what was allocated and freed in this process, from here, and how often a signal came. Runs with
   reentrant.so. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                                                                    \
  do {                                                                                                                 \
    if (!(what)) {                                                                                                     \
      fprintf(stderr, "failed: %s (%d): %s\n", #what, __LINE__, strerror(errno));                                      \
      abort();                                                                                                         \
    }                                                                                                                  \
  } while (0)
#define NOINLINE __attribute__((noinline))

enum { THREADS = 6, PLACES = 64 };

static _Atomic uint64_t allocations, frees, allocated_bytes, freed_bytes;
static _Atomic int stop, ticks;
static _Atomic(void *) exchange[PLACES];
static pthread_key_t key;
static const char *library;
static int rounds;

static unsigned next(unsigned *state) { return *state = *state * 1664525u + 1013904223u, *state >> 8; }

/* Each block begins with its size. */
NOINLINE static void *make(size_t n) {
  n += sizeof(size_t);
  size_t *block = malloc(n);
  CHECK(block);
  *block = n;
  allocations++;
  allocated_bytes += n;
  return block;
}

NOINLINE static void unmake(void *block) {
  if (!block)
    return;
  frees++;
  freed_bytes += *(size_t *)block;
  free(block);
}

NOINLINE static void *remake(void *block, size_t n) {
  n += sizeof(size_t);
  frees++;
  freed_bytes += *(size_t *)block;
  size_t *moved = realloc(block, n);
  CHECK(moved);
  *moved = n;
  allocations++;
  allocated_bytes += n;
  return moved;
}

NOINLINE static void churn(unsigned *state) {
  void *block = make(next(state) % 700);
  if (next(state) % 4 == 0)
    block = remake(block, next(state) % 2000);
  unmake(atomic_exchange(&exchange[next(state) % PLACES], block));
  if (next(state) % 64 == 0) {
    void *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    CHECK(munmap((char *)pages + 4096, 4096) == 0);
    /* The hole may be somebody else's by now. */
    CHECK(munmap(pages, 4096) == 0 && munmap((char *)pages + 2 * 4096, 4096) == 0);
  }
}

NOINLINE static void recurse(unsigned *state, int depth) {
  volatile char room[64];
  room[0] = 1;
  if (depth > 0)
    recurse(state, depth - 1);
  else
    churn(state);
  room[1] = room[0];
}

static void *worker(void *arg) {
  unsigned state = (unsigned)(size_t)arg;
  pthread_setspecific(key, make(10));
  for (int i = 0; i < rounds; i++)
    recurse(&state, next(&state) % 30);
  return NULL;
}

static void *loader(void *arg) {
  while (!atomic_load(&stop)) {
    void *handle = dlopen(library, RTLD_NOW);
    CHECK(handle);
    char *(*make_there)(void);
    *(void **)&make_there = dlsym(handle, "plugin_make");
    for (int i = 0; i < 20; i++)
      free(make_there());
    CHECK(dlclose(handle) == 0);
  }
  return arg;
}

static void *brief(void *arg) {
  pthread_setspecific(key, make(20));
  unmake(make(30));
  return arg;
}

static void *starter(void *arg) {
  while (!atomic_load(&stop)) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, brief, NULL) == 0);
    CHECK(pthread_join(t, NULL) == 0);
  }
  return arg;
}

static void *forker(void *arg) {
  unsigned state = (unsigned)(size_t)arg;
  for (int i = 0; !atomic_load(&stop) && i < 30; i++) {
    pid_t child = i % 3 == 0 ? vfork() : i % 3 == 1 ? fork() : (pid_t)syscall(SYS_fork);
    CHECK(child >= 0);
    if (child == 0 && i % 3 == 0) {
      execl("/bin/true", "true", (char *)NULL);
      _exit(1);
    }
    if (child == 0) {
      for (int k = 0; k < 100; k++)
        churn(&state);
      _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  return arg;
}

static void *toggler(void *arg) {
  int (*start)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "ffikit_hunt_start");
  CHECK(!start || start() == 0);
  return arg;
}

/* At any instruction, also of the tracker's own. */
static void at_tick(int signal) {
  (void)signal;
  int saved = errno;
  ticks++;
  unmake(make(123));
  void *pages = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || munmap(pages, 4096))
    abort();
  errno = saved;
}
static void at_thread_exit(void *block) {
  unmake(block);
  unmake(make(5));
}
static void at_fork(void) { unmake(make(6)); }
__attribute__((destructor)) static void at_unload(void) { free(malloc(7)); }

int main(int argc, char **argv) {
  CHECK(argc == 4);
  library = argv[1];
  rounds = atoi(argv[2]);
  unsigned seed = (unsigned)atoi(argv[3]);
  CHECK(pthread_key_create(&key, at_thread_exit) == 0);
  CHECK(pthread_atfork(at_fork, at_fork, at_fork) == 0);
  struct sigaction tick = {.sa_handler = at_tick, .sa_flags = SA_RESTART};
  CHECK(sigaction(SIGPROF, &tick, NULL) == 0);
  struct itimerval every = {{0, 1000}, {0, 1000}};
  CHECK(setitimer(ITIMER_PROF, &every, NULL) == 0);
  void *(*others[])(void *) = {loader, loader, starter, forker, toggler};
  enum { OTHERS = sizeof others / sizeof others[0] };
  pthread_t workers[THREADS], rest[OTHERS];
  for (size_t i = 0; i < OTHERS; i++)
    CHECK(pthread_create(&rest[i], NULL, others[i], (void *)(seed + i)) == 0);
  for (size_t i = 0; i < THREADS; i++)
    CHECK(pthread_create(&workers[i], NULL, worker, (void *)(seed * 31 + i)) == 0);
  for (int i = 0; i < THREADS; i++)
    CHECK(pthread_join(workers[i], NULL) == 0);
  atomic_store(&stop, 1);
  for (int i = 0; i < OTHERS; i++)
    CHECK(pthread_join(rest[i], NULL) == 0);
  signal(SIGPROF, SIG_IGN);
  printf("%lu %lu %lu %lu %d\n", allocations, frees, allocated_bytes, freed_bytes, ticks);
  return 0;
}

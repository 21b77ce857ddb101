/* Everything at once: threads that walk, libraries that come and go, a profiler's
 * signals that walk wherever they arrive, forks, threads that end. Each walk's depth is
 * known, so a wrong stack is found, not only a crash; the alarm ends a deadlock.
 * Arguments: MILLISECONDS VICTIM-LIBRARY… */
#include "walker.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

enum { WALKERS = 3, LIBRARIES_MAX = 8, DEADLOCK_SECONDS = 60 };

static atomic_bool is_over;
static atomic_ulong walks, loads, forks, threads, profiled, ends[ENDS + 1];
static atomic_ulong wrong;

static void complain(const char *what, const struct stack *stack) {
  char text[160];
  int len = snprintf(text, sizeof text, "wrong: %s: %zu frames, end %u\n", what, stack->len, stack->end);
  if (wrong++ < 20 && write(1, text, (size_t)len) < 0)
    _exit(9);
}

/* How many frames the thread's own function has, itself included; and how deep descend() goes now. */
static __thread size_t outer;
static __thread unsigned levels;

static NOINLINE size_t depth_here(void) {
  struct stack stack = {{0}, 0, 0};
  stack.len = walker_here(own_bounds, stack.frames, FRAMES_MAX, &stack.end);
  if (stack.end != COMPLETE || stack.len < 2)
    complain("at a thread's start", &stack);
  return stack.len - 1;
}

static NOINLINE unsigned descend(unsigned n, unsigned kind);

static NOINLINE unsigned descend_by_pointer(unsigned n) {
  volatile char *room = __builtin_alloca(n + 16);
  room[n] = 1;
  return descend(n - 1, n) + room[n];
}

static NOINLINE unsigned descend_realigned(unsigned n) {
  _Alignas(64) volatile char block[64];
  block[1] = (char)n;
  return descend(n - 1, n + 1) + block[1];
}

static NOINLINE unsigned descend(unsigned n, unsigned kind) {
  if (n == 0) {
    struct stack stack = {{0}, 0, 0};
    stack.len = walker_here(kind % 5 ? own_bounds : NULL, stack.frames, FRAMES_MAX, &stack.end);
    /* Two frames a level, this one, and those below the thread's function. */
    if (stack.end != COMPLETE || stack.len != 2 * levels + 1 + outer)
      complain("at the bottom", &stack);
    walks++;
    return 1;
  }
  unsigned got = kind % 2 ? descend_by_pointer(n) : descend_realigned(n);
  KEEP();
  return got;
}

static inline __attribute__((always_inline)) void descend_all(unsigned n, unsigned kind) {
  levels = n;
  descend(n, kind);
  KEEP();
}

static void *walk_always(void *argument) {
  unsigned state = (unsigned)(uintptr_t)argument;
  know_stack();
  outer = depth_here();
  while (!is_over) {
    state = state * 1103515245 + 12345;
    unsigned n = state >> 16 & 31;
    descend_all(n, state >> 24);
    struct stack stack = {{0}, 0, 0};
    stack.len = walker_here(own_bounds, stack.frames, FRAMES_MAX, &stack.end);
    if (stack.end != COMPLETE || stack.len != outer)
      complain("a walker's own stack", &stack);
  }
  return NULL;
}

/* Called from inside of a library: through its frames to the outermost one. */
static void called_back(void) {
  struct stack stack = {{0}, 0, 0};
  stack.len = walker_here(own_bounds, stack.frames, FRAMES_MAX, &stack.end);
  /* called_back, five functions of the library, and what called the first of them. */
  if (stack.end != COMPLETE || stack.len != outer + 6)
    complain("in a library", &stack);
  walks++;
}

static void *load_always(void *argument) {
  know_stack();
  outer = depth_here();
  while (!is_over) {
    void *library = dlopen((const char *)argument, RTLD_NOW | RTLD_LOCAL);
    void (*enter)(void (*)(void)) = library ? (void (*)(void (*)(void)))dlsym(library, "victim_enter") : NULL;
    if (!enter) {
      complain(dlerror(), &(struct stack){.len = 0});
      break;
    }
    enter(called_back);
    dlclose(library);
    walker_forget();
    loads++;
  }
  return NULL;
}

static void *fork_always(void *argument) {
  know_stack();
  outer = depth_here();
  while (!is_over) {
    pid_t pid = fork();
    if (pid == 0) {
      alarm(DEADLOCK_SECONDS);
      wrong = 0;
      walker_forget();
      if (depth_here() != outer)
        _exit(1);
      descend_all(20, 3);
      _exit(wrong != 0);
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
      continue;
    if (pid > 0 && status != 0) {
      struct stack stack = {{0}, (size_t)status, 0};
      complain("a forked child (its status as frames)", &stack);
    }
    forks++;
    nanosleep(&(struct timespec){0, 500000}, NULL);
  }
  return argument;
}

static pthread_key_t key;
static void at_thread_end(void *value) {
  struct stack stack = {{0}, 0, 0};
  stack.len = walker_here(own_bounds, stack.frames, FRAMES_MAX, &stack.end);
  if (stack.end != COMPLETE || value == NULL)
    complain("at a thread's end", &stack);
}
static void *end_at_once(void *argument) {
  know_stack();
  pthread_setspecific(key, own_bounds);
  outer = depth_here();
  descend_all(10, 7);
  return argument;
}
static void *start_always(void *argument) {
  while (!is_over) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_at_once, NULL) == 0)
      pthread_join(thread, NULL);
    threads++;
  }
  return argument;
}

static void on_profile(int number) {
  int before = errno;
  struct stack stack = {{0}, 0, 0};
  errno = number;
  stack.len = walker_here(own_bounds, stack.frames, FRAMES_MAX, &stack.end);
  if (errno != number)
    complain("errno was changed", &stack);
  profiled++;
  /* What the C runtime adds to each library (_init, __do_global_dtors_aux) has no tables. */
  if (stack.end != COMPLETE && stack.end != NO_CFI)
    complain("in the profiler's handler", &stack);
  ends[stack.end]++;
  errno = before;
}

int main(int argc, char **argv) {
  if (argc < 3)
    return 2;
  alarm(DEADLOCK_SECONDS);
  walker_prepare();
  know_stack();
  pthread_key_create(&key, at_thread_end);
  struct sigaction action = {.sa_handler = on_profile, .sa_flags = SA_RESTART};
  sigaction(SIGPROF, &action, NULL);
  struct itimerval often = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_PROF, &often, NULL);

  pthread_t all[WALKERS + LIBRARIES_MAX + 2];
  int count = 0;
  for (uintptr_t i = 0; i < WALKERS; i++)
    pthread_create(&all[count++], NULL, walk_always, (void *)(i * 7919 + 1));
  for (int i = 2; i < argc && i < 2 + LIBRARIES_MAX; i++)
    pthread_create(&all[count++], NULL, load_always, argv[i]);
  pthread_create(&all[count++], NULL, fork_always, NULL);
  pthread_create(&all[count++], NULL, start_always, NULL);
  /* Not less than some of each, however busy the machine is. */
  for (long left = atol(argv[1]); left > 0 || !walks || !loads || !forks || !threads || !profiled; left -= 1)
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  is_over = true;
  for (int i = 0; i < count; i++)
    pthread_join(all[i], NULL);
  printf("walks %lu loads %lu forks %lu threads %lu profiled %lu wrong %lu, ends", walks, loads, forks, threads,
         profiled, wrong);
  for (int i = 0; i < ENDS; i++)
    printf(" %lu", ends[i]);
  printf("\n");
  return wrong != 0;
}

/* Threads of all kinds, their ends, coroutines, forks, and walks inside of the dynamic
 * linker. See walker.h for what `chain` comments mean. Arguments: LIBRARY (loader.c). */
#include "walker.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

static volatile int sink;

static void in_thread(void *(*main)(void *), pthread_attr_t *attributes) {
  pthread_t thread;
  pthread_create(&thread, attributes, main, NULL);
  pthread_join(thread, NULL);
}

// chain thread: work thread_main
static NOINLINE void work(const char *label) {
  trace(label);
  KEEP();
}
static NOINLINE void *thread_main(void *argument) {
  know_stack();
  work("thread");
  KEEP();
  return argument;
}

// chain given-stack: work given_main
static NOINLINE void *given_main(void *argument) {
  know_stack();
  work("given-stack");
  KEEP();
  return argument;
}

// chain small-stack: work small_main
static NOINLINE void *small_main(void *argument) {
  know_stack();
  work("small-stack");
  KEEP();
  return argument;
}

/* Destructors of thread-local values, when the thread's own function has returned. */
// chain thread-end: at_thread_end
static pthread_key_t key;
static NOINLINE void at_thread_end(void *value) {
  sink = value != NULL;
  trace("thread-end");
  KEEP();
}
static NOINLINE void *ending_main(void *argument) {
  know_stack();
  pthread_setspecific(key, own_bounds);
  return argument;
}

/* Cancellation unwinds the stack with the cleanup handler's frame on top. */
// chain cancelled: at_cleanup cancelled_main
static NOINLINE void at_cleanup(void *argument) {
  sink = argument != NULL;
  trace("cancelled");
  KEEP();
}
static NOINLINE void *cancelled_main(void *argument) {
  know_stack();
  pthread_cleanup_push(at_cleanup, own_bounds);
  pthread_cancel(pthread_self());
  pthread_testcancel();
  pthread_cleanup_pop(0);
  KEEP();
  return argument;
}

/* A stack that no thread's bounds cover. Its outermost frame "returns" to the start of
 * glibc's __start_context, and what lies before that has no tables: libgcc ends there as well. */
// chain coroutine [NoCfi]: yielding coroutine
static ucontext_t main_context, other_context;
static NOINLINE void yielding(int n) {
  if (n > 0)
    swapcontext(&other_context, &main_context);
  trace("coroutine");
  KEEP();
}
static NOINLINE void coroutine(int n) {
  yielding(n);
  KEEP();
}
static NOINLINE void run_coroutine(void) {
  size_t len = 1 << 16;
  getcontext(&other_context);
  other_context.uc_stack.ss_sp = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  other_context.uc_stack.ss_size = len;
  other_context.uc_link = &main_context;
  makecontext(&other_context, (void (*)(void))coroutine, 1, 1);
  swapcontext(&main_context, &other_context);
  swapcontext(&main_context, &other_context);
  KEEP();
}

// chain forked: child forking main
static NOINLINE void child(void) {
  trace("forked");
  _exit(0);
}
static NOINLINE void forking(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0)
    child();
  waitpid(pid, NULL, 0);
  KEEP();
}

/* With the dynamic linker's lock held: by this thread, then by another one. */
// chain iterating: visited iterating main
static NOINLINE int visited(struct dl_phdr_info *info, size_t size, void *argument) {
  (void)info, (void)size, (void)argument;
  walker_forget(); /* look all up again */
  trace("iterating");
  return 1;
}
static NOINLINE void iterating(void) {
  dl_iterate_phdr(visited, NULL);
  KEEP();
}

// chain lock-held: walking_beside main
static struct stack beside;
static pthread_barrier_t barrier;
static int holding(struct dl_phdr_info *info, size_t size, void *argument) {
  (void)info, (void)size, (void)argument;
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return 1;
}
static void *holding_main(void *argument) {
  dl_iterate_phdr(holding, NULL);
  return argument;
}
static NOINLINE void walking_beside(void) {
  pthread_t thread;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&thread, NULL, holding_main, NULL);
  pthread_barrier_wait(&barrier);
  walker_forget();
  beside.len = walker_here(own_bounds, beside.frames, FRAMES_MAX, &beside.end);
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  /* The same stack but for the one return address. */
  struct stack now = {{0}, 0, 0};
  now.len = walker_here(own_bounds, now.frames, FRAMES_MAX, &now.end);
  if (difference(&beside, &now, 1) >= 0 || beside.end != now.end)
    printf("wrong: %zu frames while the lock was held, end %u\n", beside.len, beside.end);
  trace("lock-held");
  KEEP();
}

/* The library calls back in its constructor and destructor: inside dlopen and dlclose. */
// chain loading: call_back loading main
// chain unloading: call_back unloading main
void call_back(const char *label);
NOINLINE void call_back(const char *label) {
  walker_forget();
  trace(label);
  KEEP();
}
static NOINLINE void *loading(const char *path) {
  void *library = dlopen(path, RTLD_NOW);
  if (!library)
    printf("wrong: %s\n", dlerror());
  return library;
}
static NOINLINE void unloading(void *library) {
  dlclose(library);
  KEEP();
}

int main(int argc, char **argv) {
  pthread_attr_t attributes;
  walker_prepare();
  know_stack();
  in_thread(thread_main, NULL);
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, mmap(NULL, 1 << 17, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                        1 << 17);
  in_thread(given_main, &attributes);
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 1 << 16);
  in_thread(small_main, &attributes);
  pthread_key_create(&key, at_thread_end);
  in_thread(ending_main, NULL);
  in_thread(cancelled_main, NULL);
  run_coroutine();
  forking();
  iterating();
  walking_beside();
  void *library = loading(argv[argc - 1]);
  unloading(library);
  return 0;
}

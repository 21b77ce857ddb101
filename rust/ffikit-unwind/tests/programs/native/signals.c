/* Stacks inside signal handlers: through the kernel's frame to what was interrupted.
 * See walker.h for what `chain` comments mean. */
#include "walker.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static volatile int sink;
static sigjmp_buf place;

static void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(number, &action, NULL);
}

// chain raised: on_usr1 raising main
static NOINLINE void on_usr1(int number) {
  sink = number;
  trace("raised");
  KEEP();
}
static NOINLINE void raising(void) {
  raise(SIGUSR1);
  KEEP();
}

// chain alternate: on_usr2 raising_alternate main
static NOINLINE void on_usr2(int number) {
  sink = number;
  trace("alternate");
  KEEP();
}
static NOINLINE void raising_alternate(void) {
  raise(SIGUSR2);
  KEEP();
}

/* A handler on the alternate stack interrupts a handler on the thread's stack, and is interrupted there. */
// chain nested: on_third on_second on_first raising_nested main
static NOINLINE void on_third(int number) {
  sink = number;
  trace("nested");
  KEEP();
}
static NOINLINE void on_second(int number) {
  sink = number;
  raise(SIGRTMIN + 2);
  KEEP();
}
static NOINLINE void on_first(int number) {
  sink = number;
  raise(SIGRTMIN + 1);
  KEEP();
}
static NOINLINE void raising_nested(void) {
  raise(SIGRTMIN);
  KEEP();
}

/* Faults: the instruction itself is the frame, not one behind a call. */
// chain null-write: on_segv null_write main
static const char *label;
static bool is_wild; /* libgcc reads the code at any address: it would fault */
static NOINLINE void on_segv(int number) {
  sink = number;
  if (is_wild)
    trace_alone(label);
  else
    trace(label);
  siglongjmp(place, 1);
}
static NOINLINE void null_write(void) {
  volatile int *volatile nowhere = NULL;
  *nowhere = 1;
  KEEP();
}

/* Calls of what is no code: nothing has tables there, but the caller is on the stack. */
// chain call-null [alone]: on_segv call_null main
static void (*volatile no_code)(void);
static NOINLINE void call_null(void) {
  no_code = NULL;
  no_code();
  KEEP();
}

// chain call-garbage [alone]: on_segv call_garbage main
static NOINLINE void call_garbage(void) {
  no_code = (void (*)(void))0x123456789000;
  no_code();
  KEEP();
}

// chain call-data [alone]: on_segv call_data main
static NOINLINE void call_data(void) {
  no_code = (void (*)(void))(uintptr_t)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  no_code();
  KEEP();
}

// chain illegal: on_segv illegal main
static NOINLINE void illegal(void) {
  __asm__ volatile("ud2");
  KEEP();
}

// chain divided: on_segv divided main
static NOINLINE int divided(int by) {
  __asm__ volatile("" : "+r"(by));
  return 10 / by;
}

// chain in-thread: on_usr1_in_thread raising_in_thread thread_main
static NOINLINE void on_usr1_in_thread(int number) {
  sink = number;
  trace("in-thread");
  KEEP();
}
static NOINLINE void raising_in_thread(void) {
  pthread_kill(pthread_self(), SIGALRM);
  KEEP();
}
static NOINLINE void *thread_main(void *argument) {
  know_stack();
  raising_in_thread();
  KEEP();
  return argument;
}

int main(void) {
  walker_prepare();
  know_stack();
  stack_t alternate = {.ss_sp = malloc(1 << 17), .ss_size = 1 << 17};
  sigaltstack(&alternate, NULL);
  handle(SIGUSR1, on_usr1, 0);
  raising();
  handle(SIGUSR2, on_usr2, SA_ONSTACK);
  raising_alternate();
  handle(SIGRTMIN, on_first, 0);
  handle(SIGRTMIN + 1, on_second, SA_ONSTACK);
  handle(SIGRTMIN + 2, on_third, SA_ONSTACK);
  raising_nested();

  handle(SIGSEGV, on_segv, SA_ONSTACK | SA_NODEFER);
  label = "null-write";
  if (!sigsetjmp(place, 1))
    null_write();
  is_wild = true;
  label = "call-null";
  if (!sigsetjmp(place, 1))
    call_null();
  label = "call-garbage";
  if (!sigsetjmp(place, 1))
    call_garbage();
  label = "call-data";
  if (!sigsetjmp(place, 1))
    call_data();
  is_wild = false;
  handle(SIGILL, on_segv, SA_ONSTACK | SA_NODEFER);
  label = "illegal";
  if (!sigsetjmp(place, 1))
    illegal();
  handle(SIGFPE, on_segv, SA_ONSTACK | SA_NODEFER);
  label = "divided";
  if (!sigsetjmp(place, 1))
    sink = divided(0);

  handle(SIGALRM, on_usr1_in_thread, 0);
  pthread_t thread;
  pthread_create(&thread, NULL, thread_main, NULL);
  pthread_join(thread, NULL);
  return 0;
}

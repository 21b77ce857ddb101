/* What must not fault, hang, allocate, lock, or leave a trace. The argument names the case. */
#include "walker.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

static struct stack stack, other;

static void say(const char *label, const struct stack *of) {
  printf("%s: %zu frames, end %u\n", label, of->len, of->end);
  fflush(stdout);
}

static NOINLINE void walk_into(struct stack *into, const uint64_t *bounds) {
  into->len = walker_here(bounds, into->frames, FRAMES_MAX, &into->end);
  KEEP();
}

/* Pages that were readable when a stack lay there, and are gone when a wild RBP points there. */
static void stale_page(void) {
  uint64_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void *code[1];
  /* A return address whose CFA goes by RBP: this function's own, if it keeps a frame pointer. */
  __asm__ volatile("lea 1f(%%rip), %0; 1:" : "=r"(code[0]));
  uint64_t registers[8] = {(uint64_t)code[0], (uint64_t)page, (uint64_t)(page + 100)};
  for (int i = 0; i < 512; i++)
    page[i] = (uint64_t)code[0];
  stack.len = walker_from(registers, NULL, stack.frames, FRAMES_MAX, &stack.end);
  say("mapped", &stack);
  munmap(page, 4096);
  stack.len = walker_from(registers, NULL, stack.frames, FRAMES_MAX, &stack.end);
  say("unmapped", &stack);
}

static void *walk_alone(void *argument) {
  pthread_join(*(pthread_t *)argument, NULL); /* the main thread is gone for good */
  know_stack();
  walker_forget();
  walker_forget_pages();
  walk_into(&stack, own_bounds);
  say("without main, known bounds", &stack);
  walk_into(&stack, NULL);
  say("without main, unknown bounds", &stack);
  int word = 42, copied = 0;
  printf("copy %d\n", walker_copy((uint64_t)&word, &copied, sizeof word) && copied == 42);
  printf("copy of nothing %d\n", walker_copy(8192, &copied, sizeof word));
  fflush(stdout);
  _exit(0);
}

static void exited_main(void) {
  static pthread_t self, thread;
  self = pthread_self();
  pthread_create(&thread, NULL, walk_alone, &self);
  pthread_exit(NULL);
}

/* process_vm_readv answers with `answer`, as seccomp filters of containers and sandboxes do. */
static void refuse_reading(int answer) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
    abort();
}

static void seccomp(int answer) {
  walk_into(&other, own_bounds);
  refuse_reading(answer);
  walker_forget();
  walker_forget_pages();
  walk_into(&stack, own_bounds);
  say("known bounds", &stack);
  printf("same %d\n", difference(&stack, &other, 2) < 0);
  walk_into(&stack, NULL);
  say("unknown bounds", &stack);
  printf("same %d\n", difference(&stack, &other, 2) < 0);

  /* The edges of what can be read, at every length and place. */
  char *pages = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages, 4096, PROT_NONE);
  mprotect(pages + 3 * 4096, 4096, PROT_NONE);
  for (int i = 0; i < 2 * 4096; i++)
    pages[4096 + i] = (char)(i * 7);
  int wrong = 0;
  char into[40];
  for (int from = 4096 - 40; from < 3 * 4096 + 40; from = from == 4096 + 40 ? 3 * 4096 - 40 : from + 1)
    for (int len = 1; len <= 32; len++) {
      bool can = from >= 4096 && from + len <= 3 * 4096;
      memset(into, 1, sizeof into);
      bool did = walker_copy((uint64_t)(pages + from), into, (size_t)len);
      wrong += did != can || (can && memcmp(into, pages + from, (size_t)len) != 0) || into[len] != 1;
    }
  printf("wrong copies %d\n", wrong);
}

static atomic_int allocations;
static bool counts;
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);
void *malloc(size_t size) {
  allocations += counts;
  return __libc_malloc(size);
}
void *calloc(size_t n, size_t size) {
  allocations += counts;
  return __libc_calloc(n, size);
}
void *realloc(void *at, size_t size) {
  allocations += counts;
  return __libc_realloc(at, size);
}
void free(void *at) {
  allocations += counts;
  __libc_free(at);
}

/* The first walks of a process, when nothing is cached, allocate nothing and leave errno. */
static void leaves_no_trace(void) {
  counts = true;
  errno = 77;
  walk_into(&stack, own_bounds);
  walk_into(&stack, NULL);
  walker_forget();
  uint64_t registers[8] = {(uint64_t)&leaves_no_trace, 8, 16};
  other.len = walker_from(registers, NULL, other.frames, FRAMES_MAX, &other.end);
  int after = errno;
  counts = false;
  say("complete", &stack);
  printf("errno %d, allocations %d\n", after, allocations);
  free(malloc(1));
  counts = true;
  free(malloc(1)); /* the counter counts */
  counts = false;
  printf("counted %d\n", allocations);
}

static volatile int sink;
static NOINLINE int overflow(int n) {
  volatile char room[200];
  room[0] = (char)n;
  return n < 0 ? room[0] : overflow(n + 1) + room[0];
}

static void on_overflow(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  uint64_t sp = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
  walk_into(&stack, own_bounds);
  say("overflow", &stack);
  printf("below %d\n", sp < own_bounds[0] + 8192);
  walk_into(&stack, NULL);
  say("overflow, unknown bounds", &stack);
  fflush(stdout);
  _exit(0);
}

/* A handler on an alternate stack finds RSP anywhere. */
static void on_wild_stack(int number, siginfo_t *info, void *context) {
  (void)info, (void)context;
  walk_into(&stack, own_bounds);
  printf("signal %d ", number);
  say("wild", &stack);
  fflush(stdout);
  _exit(0);
}

static void handle(void (*handler)(int, siginfo_t *, void *)) {
  stack_t alternate = {.ss_sp = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                       .ss_size = 1 << 16};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGILL, &action, NULL);
  sigaction(SIGTRAP, &action, NULL);
}

static void *overflow_in_thread(void *argument) {
  know_stack();
  handle(on_overflow);
  sink = overflow(0);
  return argument;
}

static void jump_with(uint64_t rsp, uint64_t rbp) {
  handle(on_wild_stack);
  __asm__ volatile("mov %0, %%rsp; mov %1, %%rbp; int3" ::"r"(rsp), "r"(rbp) : "memory");
}

static volatile bool has_forked;
static atomic_int cold_walks;
static void *walk_cold(void *argument) {
  struct stack own;
  know_stack();
  while (!has_forked) {
    walker_forget();
    walk_into(&own, own_bounds);
    cold_walks++;
  }
  return argument;
}

/* Each child is forked while another thread of its parent looks up rules, and that thread
 * is not there in the child to give back what it held. */
static void forks_while_walking(int generations) {
  if (generations == 0) {
    walker_forget();
    walk_into(&stack, own_bounds);
    say("last child", &stack);
    _exit(stack.end == COMPLETE ? 0 : 1);
  }
  pthread_t threads[12];
  for (int i = 0; i < 12; i++)
    pthread_create(&threads[i], NULL, walk_cold, NULL);
  cold_walks = 0;
  while (cold_walks < 24)
    usleep(200);
  pid_t pid = fork();
  if (pid == 0)
    forks_while_walking(generations - 1);
  has_forked = true;
  int status = 1;
  waitpid(pid, &status, 0);
  _exit(status != 0);
}

static const struct {
  const char *name;
  uint64_t rsp, rbp;
} wild[] = {{"wild-null", 0, 0},
            {"wild-unaligned", 0x7001, 0x7003},
            {"wild-top", UINT64_MAX, UINT64_MAX},
            {"wild-kernel", UINT64_C(0xffff888000000000), UINT64_C(0xffff888000000000)},
            {"wild-odd", UINT64_C(0x8000000000000000), UINT64_C(0x4141414141414141)}};

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  walker_prepare();
  know_stack();
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++)
    if (strcmp(name, wild[i].name) == 0)
      jump_with(wild[i].rsp, wild[i].rbp);
  if (strcmp(name, "stale-page") == 0)
    stale_page();
  else if (strcmp(name, "exited-main") == 0)
    exited_main();
  else if (strcmp(name, "seccomp") == 0)
    seccomp(atoi(argv[2]));
  else if (strcmp(name, "forks-while-walking") == 0)
    forks_while_walking(60);
  else if (strcmp(name, "no-trace") == 0)
    leaves_no_trace();
  else if (strcmp(name, "wild-below") == 0) /* in the thread's bounds, where nothing is mapped yet */
    jump_with((own_bounds[0] + 4096) & ~UINT64_C(15), own_bounds[0] + 4096);
  else if (strcmp(name, "overflow-main") == 0)
    overflow_in_thread(NULL);
  else if (strcmp(name, "overflow-thread") == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, overflow_in_thread, NULL);
    pthread_join(thread, NULL);
  }
  return 0;
}

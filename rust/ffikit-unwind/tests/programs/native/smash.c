/* Stacks that were overwritten: words above the walker are replaced at random, the
 * walk must come back with a reason, and then everything is put back. A fault ends
 * the program, a walk without end the watchdog. Arguments: SEED COUNT. */
#include "walker.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

static uint64_t state;

static uint64_t next(void) {
  /* splitmix64 */
  uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static struct {
  uint64_t start, end;
} texts[64];
static size_t texts_count;
static uint64_t restorer; /* __restore_rt: makes what lies above look like a signal's frame */

static int keep_text(struct dl_phdr_info *info, size_t size, void *argument) {
  (void)size, (void)argument;
  for (int i = 0; i < info->dlpi_phnum && texts_count < 64; i++)
    if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
      texts[texts_count].start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
      texts[texts_count].end = texts[texts_count].start + info->dlpi_phdr[i].p_memsz;
      texts_count++;
    }
  return 0;
}

static void nothing(int number) { (void)number; }

static void prepare(void) {
  walker_prepare();
  dl_iterate_phdr(keep_text, NULL);
  signal(SIGUSR2, nothing);
  struct {
    uint64_t handler, flags, restorer, mask;
  } kernel_action;
  syscall(SYS_rt_sigaction, SIGUSR2, NULL, &kernel_action, 8);
  restorer = kernel_action.restorer;
}

static uint64_t *low_word, *high_word; /* what is overwritten */
static uint64_t gap;                   /* an address range that is not mapped */

static uint64_t wild_word(void) {
  uint64_t words = (uint64_t)(high_word - low_word), some = next();
  switch (next() % 16) {
  case 0:
    return next();
  case 1:
    return 0;
  case 2:
    return next() % 64 - 32;
  case 3: /* into the stack, also below the walker; aligned or not */
    return (uint64_t)low_word - 4096 + some % (8 * words + 8192);
  case 4:
    return ((uint64_t)low_word - 4096 + some % (8 * words + 8192)) & ~UINT64_C(15);
  case 5:
  case 6: /* another word of the stack */
    return low_word[some % words];
  case 7:
  case 8:
  case 9: { /* into some code */
    size_t i = next() % texts_count;
    return texts[i].start + some % (texts[i].end - texts[i].start);
  }
  case 10:
    return restorer;
  case 11: /* about the stack's ends */
    return own_bounds[some & 1] + (next() % 64 - 32);
  case 12: /* far below: not mapped yet, or never */
    return own_bounds[0] + some % (own_bounds[1] - own_bounds[0]);
  case 13:
    return gap + some % 8192 - 4096;
  case 14: /* what no address can be; the bits that frames are told apart by */
    return (some & ~(UINT64_C(3) << 62)) | (next() % 4) << 62;
  default:
    return (uint64_t)1 << (some & 63);
  }
}

static uint64_t kept[1 << 15];
static uint64_t ends[ENDS + 1];
static volatile uint64_t iteration;

static void check(const struct stack *stack, size_t max) {
  bool is_wrong = stack->len > max || stack->end >= ENDS || (stack->end == FULL && stack->len != max);
  for (size_t i = 0; i < stack->len; i++)
    is_wrong |= (stack->frames[i] & IS_PYTHON) != 0;
  if (is_wrong) {
    printf("wrong: in iteration %lu: %zu frames, end %u\n", iteration, stack->len, stack->end);
    fflush(stdout);
    abort();
  }
  ends[stack->end]++;
}

/* Everything from its own saved RBP on is overwritten; its locals lie below that. */
static NOINLINE void smash(uint64_t count) {
  low_word = (uint64_t *)__builtin_frame_address(0);
  size_t words = (size_t)(high_word - low_word);
  if (words > sizeof kept / sizeof *kept)
    abort();
  static __thread struct stack stack;
  for (uint64_t i = 0; i < count; i++, iteration++) {
    memcpy(kept, low_word, 8 * words);
    /* From a single word to all; mostly near, where the next frames are. */
    size_t changes = next() % 8 ? 1 + next() % 4 : 1 + next() % words;
    size_t reach = next() % 2 ? words : words < 64 ? words : 64;
    for (size_t k = 0; k < changes; k++)
      low_word[next() % reach] = wild_word();
    size_t max = next() % 4 ? FRAMES_MAX : next() % 40;
    stack.len = walker_here(next() % 2 ? own_bounds : NULL, stack.frames, max, &stack.end);
    memcpy(low_word, kept, 8 * words);
    check(&stack, max);
  }
}

static uint64_t smashes;
static volatile int sink;

static NOINLINE int descend_plain(int n);

/* Frames of several kinds: by RSP, by RBP (alloca), realigned. */
static NOINLINE int descend_framed(int n) {
  volatile char *room = __builtin_alloca((size_t)n + 8);
  room[n] = (char)n;
  int got = n == 0 ? (smash(smashes), 0) : descend_plain(n - 1);
  return got + room[n];
}

static NOINLINE int descend_realigned(int n) {
  _Alignas(64) volatile int block[16];
  block[3] = n;
  int got = descend_framed(n - 1);
  return got + block[3];
}

static NOINLINE int descend_plain(int n) {
  int got = n % 3 ? descend_realigned(n) : descend_framed(n);
  sink += got;
  return got + 1;
}

static NOINLINE void smash_here(void) {
  uint64_t here = (uint64_t)__builtin_frame_address(0);
  /* Whatever this stack is, 200 words above this frame are on it: the callers made room. */
  high_word = (uint64_t *)here + 200;
  sink = descend_plain(24);
}

/* Makes sure that the 200 words are there. */
#define ROOM()                                                                                                         \
  uint64_t room[256];                                                                                                  \
  __asm__ volatile("" ::"r"(room) : "memory")

static void *smash_in_thread(void *argument) {
  ROOM();
  know_stack();
  smash_here();
  KEEP();
  return argument;
}

static ucontext_t back, other;

static void smash_in_coroutine(void) {
  ROOM();
  smash_here();
  KEEP();
}

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  printf("wrong: signal %d at %p in iteration %lu\n", number, info->si_addr, iteration);
  fflush(stdout);
  _exit(1);
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  state = strtoull(argv[1], NULL, 10);
  smashes = strtoull(argv[2], NULL, 10);
  prepare();
  know_stack();
  ROOM();
  gap = (uint64_t)mmap(NULL, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + (1 << 15);
  stack_t alternate = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  smash_here();

  pthread_t thread;
  pthread_create(&thread, NULL, smash_in_thread, NULL);
  pthread_join(thread, NULL);

  /* A stack of its own between two guard pages, which the bounds do not cover. */
  size_t len = 1 << 16;
  char *mapped = mmap(NULL, len + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(mapped + 4096, len, PROT_READ | PROT_WRITE);
  gap = (uint64_t)mapped + 4096 + len;
  getcontext(&other);
  other.uc_stack.ss_sp = mapped + 4096;
  other.uc_stack.ss_size = len;
  other.uc_link = &back;
  makecontext(&other, smash_in_coroutine, 0);
  swapcontext(&back, &other);

  printf("smashed %lu, ends", iteration);
  for (size_t i = 0; i < ENDS; i++)
    printf(" %lu", ends[i]);
  printf("\n");
  return 0;
}

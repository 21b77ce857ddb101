/* An oracle of its own: single-steps a piece of a program, follows each call and
 * return, and so knows the true stack at every instruction. The walker is asked in
 * the trap's handler, and must give the same.
 *
 * A call is known by its bytes and by the return address that it left; a return,
 * an exception or a longjmp by the stack pointer having passed it. */
#ifndef FFIKIT_TESTS_STEP_H
#define FFIKIT_TESTS_STEP_H

#include "walker.h"
#include <signal.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100
#define DEPTH_MAX 4096

/* The walker is asked at each so manieth instruction; calls are followed at all. */
static size_t stride = 1;
static bool forgets; /* whatever was learned, before each walk */

static struct {
  uint64_t slot[DEPTH_MAX], ret[DEPTH_MAX];
  size_t depth;
  struct stack base; /* of stepped(), its own frame first */
  uint64_t previous_pc;
  volatile bool is_over;
  bool by_libgcc; /* across a signal frame the oracle is libgcc */
  size_t steps, differences, libgcc_differences;
  size_t watched; /* steps inside of the module that watch() named */
  struct {
    uint64_t pc;
    size_t len, expected_len;
    uint32_t end;
    bool libgcc_too;
  } kept[64];
} oracle;

/* A module's text, in which steps are counted apart. */
static uint64_t watched_start, watched_end;

static __attribute__((unused)) void watch(uint64_t base) {
  const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)base;
  const ElfW(Phdr) *segments = (const ElfW(Phdr) *)(base + header->e_phoff);
  for (int i = 0; i < header->e_phnum; i++)
    if (segments[i].p_type == PT_LOAD && segments[i].p_flags & PF_X) {
      watched_start = base + segments[i].p_vaddr;
      watched_end = watched_start + segments[i].p_memsz;
    }
}

/* Whether the instruction at `pc` is a call that returns to `ret`. */
static bool is_call(uint64_t pc, uint64_t ret) {
  const uint8_t *code = (const uint8_t *)pc;
  uint64_t len = ret - pc;
  if (len < 2 || len > 9)
    return false;
  while (len > 2 && (*code == 0xf2 || *code == 0x3e || *code == 0x66 || (*code & 0xf0) == 0x40))
    code++, len--;
  return (*code == 0xe8 && len == 5) || (*code == 0xff && (code[1] >> 3 & 7) == 2);
}

static void follow(uint64_t pc, uint64_t sp) {
  while (oracle.depth && oracle.slot[oracle.depth - 1] < sp)
    oracle.depth--;
  uint64_t top = *(uint64_t *)sp;
  if (oracle.previous_pc && oracle.depth < DEPTH_MAX && is_call(oracle.previous_pc, top) &&
      (oracle.depth == 0 || oracle.slot[oracle.depth - 1] != sp)) {
    oracle.slot[oracle.depth] = sp;
    oracle.ret[oracle.depth++] = top;
  }
  oracle.previous_pc = pc;
}

/* What a walk from the handler must give: the handler and the trampoline, then the truth. */
static void expect(struct stack *expected, const struct stack *seen, uint64_t pc) {
  expected->len = 0;
  expected->end = COMPLETE;
  for (size_t i = 0; i < 2 && i < seen->len; i++)
    expected->frames[expected->len++] = seen->frames[i];
  expected->frames[expected->len++] = pc | IS_EXACT;
  for (size_t i = oracle.depth; i > 0; i--)
    expected->frames[expected->len++] = oracle.ret[i - 1];
  for (size_t i = 1; i < oracle.base.len; i++)
    expected->frames[expected->len++] = oracle.base.frames[i];
}

static void keep_difference(uint64_t pc, const struct stack *ours, const struct stack *expected, bool libgcc_too) {
  for (size_t i = 0; i < sizeof oracle.kept / sizeof *oracle.kept; i++) {
    if (oracle.kept[i].pc == pc)
      return;
    if (oracle.kept[i].pc == 0) {
      oracle.kept[i].pc = pc;
      oracle.kept[i].len = ours->len;
      oracle.kept[i].expected_len = expected->len;
      oracle.kept[i].end = ours->end;
      oracle.kept[i].libgcc_too = libgcc_too;
      return;
    }
  }
}

/* Kept off the handler's stack, which may be a small alternate one. */
static struct stack step_ours, step_libgcc, step_expected;

static void on_trap(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  uint64_t pc = registers[REG_RIP];
  if (oracle.is_over) {
    registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    return;
  }
  registers[REG_EFL] |= TRAP_FLAG;
  follow(pc, registers[REG_RSP]);
  if (oracle.steps++ % stride)
    return;
  if (forgets)
    walker_forget();
  oracle.watched += pc >= watched_start && pc < watched_end;
  step_ours.len = walker_here(own_bounds, step_ours.frames, FRAMES_MAX, &step_ours.end);
  step_libgcc.len = 0;
  _Unwind_Backtrace(keep_frame, &step_libgcc);
  if (oracle.by_libgcc)
    step_expected = step_libgcc;
  else
    expect(&step_expected, &step_ours, pc);
  if (difference(&step_libgcc, &step_expected, 1) >= 0)
    oracle.libgcc_differences++;
  if (difference(&step_ours, &step_expected, 1) >= 0 || step_ours.end != COMPLETE) {
    oracle.differences++;
    keep_difference(pc, &step_ours, &step_expected, difference(&step_libgcc, &step_ours, 1) < 0);
  }
}

/* Runs `body` instruction by instruction, and prints what the walker got wrong. */
static NOINLINE __attribute__((unused)) void stepped(const char *label, void (*body)(void), int flags, bool by_libgcc) {
  memset(&oracle, 0, sizeof oracle);
  oracle.by_libgcc = by_libgcc;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO | flags;
  sigaction(SIGTRAP, &action, NULL);
  _Unwind_Backtrace(keep_frame, &oracle.base);
  __asm__ volatile("int3" ::: "memory");
  body();
  oracle.is_over = true;
  KEEP();
  printf("stepped %s: %zu instructions, %zu wrong, libgcc %zu wrong, %zu watched\n", label, oracle.steps,
         oracle.differences, oracle.libgcc_differences, oracle.watched);
  for (size_t i = 0; i < sizeof oracle.kept / sizeof *oracle.kept && oracle.kept[i].pc; i++) {
    Dl_info found = {0};
    dladdr((void *)oracle.kept[i].pc, &found);
    printf("wrong at %s+%#lx, code", found.dli_fname ? found.dli_fname : "?",
           oracle.kept[i].pc - (uint64_t)found.dli_fbase);
    for (int k = -4; k < 4; k++)
      printf("%s%02x", k ? " " : " | ", ((const uint8_t *)oracle.kept[i].pc)[k]);
    printf(": %zu of %zu frames, end %u%s\n", oracle.kept[i].len, oracle.kept[i].expected_len, oracle.kept[i].end,
           oracle.kept[i].libgcc_too ? " (libgcc too)" : "");
  }
  fflush(stdout);
}

#endif

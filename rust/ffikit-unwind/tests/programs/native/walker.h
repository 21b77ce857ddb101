/* What the programs of the native tests share: the walker that they link
 * (examples/walker.rs), libgcc's unwinder beside it, and stacks as text.
 *
 * A program calls trace("label"), which prints
 *
 *     stack label
 *     frame BITS FILE VIRT_ADDR     one a line, leaf first; the caller of trace is the first
 *     end CODE
 *     libgcc same | differs I | ends after N | was not asked
 *
 * and its source says what the stack must be, in a comment that the test reads:
 *
 *     // chain label: leaf middle main
 *     // chain label [alone]: …       libgcc is not asked: it faults, or ends early
 *     // chain label [NoCfi]: …       it ends otherwise than at the outermost frame
 */
#ifndef FFIKIT_TESTS_WALKER_H
#define FFIKIT_TESTS_WALKER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#ifdef __cplusplus
extern "C" {
#endif
bool walker_prepare(void);
void walker_bounds(uint64_t bounds[2]);
size_t walker_here(const uint64_t bounds[2], uint64_t *frames, size_t max, uint32_t *end);
size_t walker_from(const uint64_t registers[8], const uint64_t bounds[2], uint64_t *frames, size_t max, uint32_t *end);
void walker_forget(void);
void walker_forget_pages(void);
void walker_compare_trails(bool);
bool walker_copy(uint64_t abs_addr, void *into, size_t len);
#ifdef __cplusplus
}
#endif

/* Codes of ffikit_unwind::End. */
enum { COMPLETE, FULL, UNKNOWN_CODE, NO_CFI, CORRUPT_CFI, UNREADABLE, NOT_ASCENDING, UNKNOWN_GO, BUSY, ENDS };

#define IS_PYTHON (UINT64_C(1) << 63)
#define IS_EXACT (UINT64_C(1) << 62)
#define NOINLINE __attribute__((noinline))
/* Keeps a call from becoming a tail call, and its frame alive. */
#define KEEP() __asm__ volatile("" ::: "memory")
#define FRAMES_MAX 512

struct stack {
  uint64_t frames[FRAMES_MAX];
  size_t len;
  uint32_t end;
};

static __thread uint64_t own_bounds[2] __attribute__((unused));

/* Call it first in every thread that is walked. */
static inline void know_stack(void) { walker_bounds(own_bounds); }

static inline uint64_t lookup_address(uint64_t frame) { return frame & IS_EXACT ? frame & ~IS_EXACT : frame - 1; }

static _Unwind_Reason_Code keep_frame(struct _Unwind_Context *context, void *argument) {
  struct stack *stack = (struct stack *)argument;
  int is_exact = 0;
  uint64_t ip = _Unwind_GetIPInfo(context, &is_exact);
  if (stack->len == FRAMES_MAX || ip == 0)
    return _URC_END_OF_STACK;
  stack->frames[stack->len++] = ip | (is_exact ? IS_EXACT : 0);
  return _URC_NO_REASON;
}

/* Where two stacks differ, from frame `from` on; -1: nowhere. */
static inline long difference(const struct stack *a, const struct stack *b, size_t from) {
  for (size_t i = from; i < a->len || i < b->len; i++)
    if (i >= a->len || i >= b->len || a->frames[i] != b->frames[i])
      return (long)i;
  return -1;
}

static inline void print_frame(uint64_t frame) {
  Dl_info info;
  struct link_map *map = NULL;
  if (dladdr1((void *)lookup_address(frame), &info, (void **)&map, RTLD_DL_LINKMAP) && map)
    printf("frame %#lx %s %#lx\n", frame, info.dli_fname, lookup_address(frame) - (uint64_t)map->l_addr);
  else
    printf("frame %#lx ? 0\n", frame);
}

static inline void print_stack(const char *label, const struct stack *ours, const struct stack *libgcc) {
  printf("stack %s\n", label);
  for (size_t i = 1; i < ours->len; i++)
    print_frame(ours->frames[i]);
  printf("end %u\n", ours->end);
  long at = difference(ours, libgcc, 1);
  if (libgcc->len == 0)
    printf("libgcc was not asked\n");
  else if (at < 0)
    printf("libgcc same\n");
  else if ((size_t)at == libgcc->len)
    printf("libgcc ends after %ld\n", at);
  else
    printf("libgcc differs %ld\n", at);
  fflush(stdout);
}

static inline __attribute__((always_inline)) void trace_by(const char *label, bool by_libgcc) {
  struct stack ours = {{0}, 0, 0}, libgcc = {{0}, 0, 0};
  ours.len = walker_here(own_bounds, ours.frames, FRAMES_MAX, &ours.end);
  if (by_libgcc)
    _Unwind_Backtrace(keep_frame, &libgcc);
  print_stack(label, &ours, &libgcc);
  /* Unknown bounds are slower and else the same. */
  struct stack again = {{0}, 0, 0};
  again.len = walker_here(NULL, again.frames, FRAMES_MAX, &again.end);
  if (difference(&ours, &again, 1) >= 0 || ours.end != again.end)
    printf("wrong: unknown bounds give another stack\n");
  fflush(stdout);
}

/* Walks by both, and prints what came. */
static NOINLINE __attribute__((unused)) void trace(const char *label) {
  trace_by(label, true);
  KEEP();
}

/* Where libgcc faults or ends early. */
static NOINLINE __attribute__((unused)) void trace_alone(const char *label) {
  trace_by(label, false);
  KEEP();
}

#endif

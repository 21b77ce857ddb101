/* An allocator that may be interrupted anywhere, and called again by who interrupts it: blocks are cut off
   one large mapping and never used again. So a test can allocate in signal handlers, at any instruction. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const size_t TOTAL = (size_t)8 << 30;
static _Atomic(char *) start;
static _Atomic size_t used;

static char *heap(void) {
  char *known = atomic_load(&start);
  if (known)
    return known;
  char *made = (char *)syscall(SYS_mmap, NULL, TOTAL, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  /* Who is later gives up what it has made, which was never touched. */
  return atomic_compare_exchange_strong(&start, &known, made) ? made : known;
}

static void *cut(size_t alignment, size_t len_bytes) {
  enum { HEADER = 16 };
  size_t room = (len_bytes + HEADER + alignment + 15) / 16 * 16;
  size_t at = atomic_fetch_add(&used, room);
  if (len_bytes > TOTAL || at + room > TOTAL)
    return NULL;
  uintptr_t block = ((uintptr_t)heap() + at + HEADER + alignment - 1) / alignment * alignment;
  ((size_t *)block)[-1] = len_bytes;
  return (void *)block;
}

void *malloc(size_t len_bytes) { return cut(16, len_bytes); }
void *calloc(size_t count, size_t len_bytes) { return cut(16, count * len_bytes); }
void free(void *block) { (void)block; }
void *memalign(size_t alignment, size_t len_bytes) { return cut(alignment < 16 ? 16 : alignment, len_bytes); }
void *aligned_alloc(size_t alignment, size_t len_bytes) { return memalign(alignment, len_bytes); }

int posix_memalign(void **block, size_t alignment, size_t len_bytes) {
  *block = memalign(alignment, len_bytes);
  return *block ? 0 : 12;
}

void *realloc(void *block, size_t len_bytes) {
  void *moved = cut(16, len_bytes);
  if (block && moved) {
    size_t known = ((size_t *)block)[-1];
    memcpy(moved, block, known < len_bytes ? known : len_bytes);
  }
  return moved;
}

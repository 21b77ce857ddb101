/* Walks through a module whose .eh_frame_hdr and .eh_frame are changed at random, in
 * place, and put back. A fault ends the program, a walk without end the watchdog.
 * Arguments: LIBRARY SEED COUNT. */
#include "walker.h"
#include <sys/mman.h>

static uint64_t state;

static uint64_t next(void) {
  uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static uint8_t *tables, *entries; /* .eh_frame_hdr, .eh_frame */
static size_t len, count;
static uint64_t ends[ENDS], unchanged;
static uint8_t kept[1 << 14];

static int find_tables(struct dl_phdr_info *info, size_t size, void *name) {
  (void)size;
  if (!strstr(info->dlpi_name, (const char *)name))
    return 0;
  uint64_t segment_end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
      tables = (uint8_t *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    uint64_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    if (info->dlpi_phdr[i].p_type == PT_LOAD && (uint64_t)tables >= start &&
        (uint64_t)tables < start + info->dlpi_phdr[i].p_memsz)
      segment_end = start + info->dlpi_phdr[i].p_memsz;
  }
  entries = tables + 4 + *(int32_t *)(tables + 4);
  len = segment_end - (uint64_t)tables;
  return 1;
}

static void change(void) {
  static const uint32_t words[] = {0, 1, 4, 8, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  size_t at = next() % 4 ? (size_t)(entries - tables) + next() % (len - (size_t)(entries - tables)) : next() % len;
  switch (next() % 5) {
  case 0:
    tables[at] = (uint8_t)next();
    break;
  case 1:
    tables[at] ^= (uint8_t)(1 << next() % 8);
    break;
  case 2:
    tables[at] = next() % 2 ? 0xff : 0x80;
    break;
  case 3:
    if (at + 4 <= len)
      memcpy(tables + at, &words[next() % (sizeof words / sizeof *words)], 4);
    break;
  default: { /* other bytes of the same tables */
    size_t from = next() % len, size = 1 + next() % 16;
    if (at + size <= len && from + size <= len)
      memmove(tables + at, tables + from, size);
  }
  }
}

static struct stack whole, stack;

static NOINLINE void mutate(void) {
  for (size_t i = 0; i < count; i++) {
    /* The first time nothing is changed. */
    for (size_t k = i ? 1 + next() % 8 : 0; k > 0; k--)
      change();
    walker_forget();
    stack.len = walker_here(i % 2 ? NULL : own_bounds, stack.frames, FRAMES_MAX, &stack.end);
    memcpy(tables, kept, len);
    if (i == 0)
      whole = stack;
    if (stack.end >= ENDS || stack.len > FRAMES_MAX) {
      printf("wrong: end %u in %zu\n", stack.end, i);
      abort();
    }
    ends[stack.end]++;
    unchanged += difference(&whole, &stack, 1) < 0 && stack.end == whole.end;
  }
  KEEP();
}

static void mutate_here(void) {
  mutate();
  walker_forget();
  trace("restored");
}

int main(int argc, char **argv) {
  if (argc != 4)
    return 2;
  walker_prepare();
  know_stack();
  state = strtoull(argv[2], NULL, 10);
  count = strtoull(argv[3], NULL, 10);
  void *library = dlopen(argv[1], RTLD_NOW);
  void (*enter)(void (*)(void)) = library ? (void (*)(void (*)(void)))dlsym(library, "victim_enter") : NULL;
  if (!enter || !dl_iterate_phdr(find_tables, argv[1]) || len > sizeof kept)
    return 3;
  uint64_t page = (uint64_t)tables & ~UINT64_C(4095);
  if (mprotect((void *)page, len + ((uint64_t)tables - page), PROT_READ | PROT_WRITE))
    return 4;
  memcpy(kept, tables, len);
  enter(mutate_here);
  printf("mutated %zu of %zu bytes, whole %lu, ends", count, len, unchanged);
  for (size_t i = 0; i < ENDS; i++)
    printf(" %lu", ends[i]);
  printf("\n");
  return 0;
}

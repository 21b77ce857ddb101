/* A program that brings its own malloc: nobody else's is called. */
#include <stdlib.h>
#include <string.h>

static char heap[1 << 22];
static size_t used;

void *malloc(size_t len_bytes) {
  void *block = heap + used;
  used += (len_bytes + 15) / 16 * 16;
  return block;
}

void free(void *block) { (void)block; }

void *calloc(size_t count, size_t len_bytes) { return malloc(count * len_bytes); }

void *realloc(void *block, size_t len_bytes) {
  void *moved = malloc(len_bytes);
  if (block)
    memcpy(moved, block, len_bytes);
  return moved;
}

int main(void) { return malloc(10) == NULL; }

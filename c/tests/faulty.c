/* faulty.c - makes the log that the report tests read: two different faults,
 * chosen by the argument. Built with AddressSanitizer by scripts/test-c. */
#include <stdlib.h>
#include <string.h>

static int read_after_free(void) {
  char *block = malloc(24);
  if (block == NULL)
    return 1;
  free(block);     /* marker: freed here */
  return block[3]; /* marker: read after free */
}

static int write_past_end(size_t size);

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "free") == 0)
    return read_after_free();
  if (argc == 2 && strcmp(argv[1], "end") == 0)
    return write_past_end(40);
  return 2;
}

static void store(char *where);

static int write_past_end(size_t size) {
  char *block = malloc(size);
  if (block == NULL)
    return 1;
  store(block + size); /* marker: stored past the end */
  int first = block[0];
  free(block);
  return first;
}

/* The rest stands for somebody else's code, outside of the source root. */
#line 100 "/vendored/store.c"
static void store(char *where) { *where = 'x'; }

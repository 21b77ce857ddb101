/* Uses memory after its free: what the tests read the report of. */
#include <stdlib.h>

static int *make_cell(void) {
  int *cell = malloc(sizeof *cell); /* ALLOCATION */
  *cell = 7;
  return cell;
}

static void drop_cell(int *cell) {
  free(cell); /* FREE */
}

static int read_cell(const int *cell) {
  return *cell; /* FAULT */
}

int main(void) {
  int *cell = make_cell();
  drop_cell(cell);
  return read_cell(cell);
}

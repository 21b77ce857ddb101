#include "store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *volatile newest;

char *store_render(const char *name, int parts) {
  size_t size = strlen(name) + 32, used = 0;
  char *text = malloc((size_t)parts * size + 1);
  text[0] = 0;
  for (int i = 0; i < parts; i++) {
    char *part = malloc(size);
    size_t length = (size_t)snprintf(part, size, "<%s %d>", name, i);
    memcpy(text + used, part, length + 1);
    used += length;
    free(part);
  }
  return text;
}

void store_remember(const char *name) {
  newest = malloc(256); /* LEAK */
  strncpy(newest, name, 255);
}

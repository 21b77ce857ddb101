#include "wire.h"

#include <string.h>

/* Right for words that lie on a multiple of four, and for no other. */
uint32_t wire_word_at(const uint8_t *bytes, size_t offset) {
  const uint32_t *word = (const uint32_t *)(const void *)(bytes + offset);
  return *word; // fault: word
}

int wire_flag(int bit) {
  return 1 << bit; // fault: flag
}

/* The banner is gone when its address arrives. */
static __attribute__((noinline)) const uint8_t *banner(void) { // at: banner
  uint8_t text[32];
  memset(text, 0x2d, sizeof text);
  const uint8_t *volatile start = text;
  return start;
}

uint8_t wire_banner_byte(size_t index) {
  const uint8_t *text = banner();
  return text[index]; // fault: banner_byte
}

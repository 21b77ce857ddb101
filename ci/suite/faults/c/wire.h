/* What records look like on the wire: words, flags, and the banner before them. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

uint32_t wire_word_at(const uint8_t *bytes, size_t offset);
int wire_flag(int bit);
uint8_t wire_banner_byte(size_t index);

#endif

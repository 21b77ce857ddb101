#include "store.h"

#include <stdlib.h>
#include <string.h>

/* Inlined on purpose: readers of the reports must see it as a frame. */
static inline __attribute__((always_inline)) store_record *reserve(size_t length) {
  store_record *record = malloc(sizeof *record + length); // at: reserve
  if (record != NULL) {
    record->length = length;
    memset(record->payload, 0x2a, length);
  }
  return record;
}

store_record *store_record_new(size_t length) {
  return reserve(length); // at: record_new
}

void store_record_release(store_record *record) {
  free(record); // fault: release
}

uint8_t *store_record_payload(store_record *record) {
  return record->payload;
}

static inline __attribute__((always_inline)) uint32_t mix(uint32_t sum, const uint8_t *byte) {
  return sum * 31 + *byte; // fault: mix
}

uint32_t store_checksum(const uint8_t *bytes, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i < length; i++) {
    sum = mix(sum, bytes + i); // at: checksum
  }
  return sum;
}

static store_handler registered;

int store_each(store_record *const *records, size_t count, store_handler visit) {
  int sum = 0;
  for (size_t i = 0; i < count; i++) {
    sum += visit(records[i]); // at: each
  }
  return sum;
}

void store_fields_discard(uint8_t *fields) {
  free(fields); // fault: discard_fields
}

void store_set_handler(store_handler handler) {
  registered = handler;
}

static __attribute__((noinline)) int hand_over(store_record *record) {
  return registered(record); // at: hand_over
}

int store_route(store_record *record) {
  if (registered == NULL) {
    return 0;
  }
  int taken = hand_over(record); // at: route
  return taken;
}

static void *volatile last_note;

static __attribute__((noinline)) void write_note(size_t length) {
  last_note = malloc(length); // fault: note
  last_note = NULL;
}

void store_journal_note(size_t length) {
  write_note(length); // at: journal_note
}

/* UBSan would name a NULL load before the processor does. This one is left to
 * the signal: the suite settles who handles SIGSEGV. */
__attribute__((no_sanitize("null"))) size_t store_head_length(const store_queue *queue) {
  return queue->head->length; // fault: head_length
}

size_t store_total_length(const store_queue *queue) {
  return queue->count * queue->head->length; // fault: total_length
}

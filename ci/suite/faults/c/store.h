/* The record store: one C buffer for each received record, and the routing of
 * records to whoever registered for them. Go, Rust and Python sit on top. */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>
#include <stdint.h>

typedef struct store_record {
  size_t length;
  uint8_t payload[];
} store_record;

typedef struct store_queue {
  store_record *head;
  size_t count;
} store_queue;

/* Called for each routed record; whoever returns nonzero has taken it over. */
typedef int (*store_handler)(store_record *record);

store_record *store_record_new(size_t length);
void store_record_release(store_record *record);
uint8_t *store_record_payload(store_record *record);

/* Gives memory back that the caller believes to be of malloc. */
void store_fields_discard(uint8_t *fields);

uint32_t store_checksum(const uint8_t *bytes, size_t length);

void store_set_handler(store_handler handler);
int store_route(store_record *record);

/* Visits records in order, and sums up what the visitor returned. */
int store_each(store_record *const *records, size_t count, store_handler visit);

void store_journal_note(size_t length);

size_t store_head_length(const store_queue *queue);
size_t store_total_length(const store_queue *queue);

#endif

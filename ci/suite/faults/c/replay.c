/* Replays one record without Python: the store in a plain program, which
 * brings its runtime along instead of having it preloaded.
 *
 * usage: replay [thread|stack|journal] */
#include "store.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int last_byte(const uint8_t *bytes, size_t length) {
  return bytes[length - 1]; // fault: last_byte
}

static int replay(size_t length) {
  store_record *record = store_record_new(length); // at: replay_new
  const uint8_t *payload = store_record_payload(record);
  store_record_release(record); // at: replay_release
  return last_byte(payload, length); // at: replay_last
}

static void *release_later(void *record) {
  store_record_release(record); // at: release_later
  return NULL;
}

/* A second thread frees the record that the first reads. */
static int replay_in_thread(size_t length) {
  store_record *record = store_record_new(length); // at: thread_new
  const uint8_t *payload = store_record_payload(record);
  pthread_t thread;
  if (pthread_create(&thread, NULL, release_later, record) != 0) { // at: thread_start
    return 1;
  }
  pthread_join(thread, NULL);
  return last_byte(payload, length); // at: thread_last
}

/* Reads behind a header that lies on the stack. */
static int replay_on_stack(size_t length) {
  uint8_t header[16];
  memset(header, 1, sizeof header);
  return last_byte(header, length);
}

/* Forgets two notes. */
static int replay_journal(size_t length) {
  store_journal_note(length);
  store_journal_note(length);
  return 0;
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  int last;
  if (strcmp(mode, "thread") == 0) {
    last = replay_in_thread(32); // at: main_thread
  } else if (strcmp(mode, "stack") == 0) {
    last = replay_on_stack(sizeof(uint8_t[16]) + (size_t)argc - 1);
  } else if (strcmp(mode, "journal") == 0) {
    last = replay_journal(100);
  } else {
    last = replay(32); // at: main_replay
  }
  printf("replay: %d\n", last);
  return 0;
}

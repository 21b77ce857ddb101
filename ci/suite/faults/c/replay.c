/* Replays one record without Python: the store in a plain program, which
 * brings its runtime along instead of having it preloaded. */
#include "store.h"

#include <stdio.h>

static int last_byte(const uint8_t *bytes, size_t length) {
  return bytes[length - 1]; // blame: plain_program
}

static int replay(size_t length) {
  store_record *record = store_record_new(length);
  const uint8_t *payload = store_record_payload(record);
  store_record_release(record);
  return last_byte(payload, length);
}

int main(int argc, char **argv) {
  (void)argv;
  printf("replay: %d\n", replay(32 * (size_t)argc));
  return 0;
}

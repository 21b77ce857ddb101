/* What needs no Go: versions, status names, accessors of nothing. */
#include "check.h"

static void versions_are_the_headers(void) {
  CHECK_INT(ffikit_abi_version(), FFIKIT_ABI_VERSION);
  CHECK_TEXT(ffikit_version(), FFIKIT_VERSION);
}

static void every_status_has_its_name(void) {
#define HAS_NAME(status) CHECK_TEXT(ffikit_status_name(status), #status)
  HAS_NAME(FFIKIT_OK);
  HAS_NAME(FFIKIT_ERR_ARGUMENT);
  HAS_NAME(FFIKIT_ERR_HANDLE);
  HAS_NAME(FFIKIT_ERR_NOT_FOUND);
  HAS_NAME(FFIKIT_ERR_FORMAT);
  HAS_NAME(FFIKIT_ERR_LIMIT);
  HAS_NAME(FFIKIT_ERR_IO);
  HAS_NAME(FFIKIT_ERR_FORKED);
  HAS_NAME(FFIKIT_ERR_PANIC);
  HAS_NAME(FFIKIT_ERR_MEMORY);
  CHECK_TEXT(ffikit_status_name(1), "unknown");
  CHECK_TEXT(ffikit_status_name(INT32_MIN), "unknown");
}

static void nothing_is_read_as_empty_and_freed_as_nothing(void) {
  CHECK_INT(ffikit_frames_len(NULL), 0);
  CHECK(ffikit_frames_at(NULL, 0) == NULL);
  CHECK_TEXT(ffikit_string_data(NULL), "");
  CHECK_INT(ffikit_string_len(NULL), 0);
  CHECK_INT(ffikit_error_status(NULL), FFIKIT_OK);
  CHECK_TEXT(ffikit_error_message(NULL), "");
  ffikit_frames_free(NULL);
  ffikit_string_free(NULL);
  ffikit_error_free(NULL);
  ffikit_symbolizer_free((ffikit_symbolizer){0});
  ffikit_report_free((ffikit_report){0});
}

const check_test result_tests[] = {
    {"versions are the header's", versions_are_the_headers},
    {"every status has its name", every_status_has_its_name},
    {"nothing is read as empty and freed as nothing", nothing_is_read_as_empty_and_freed_as_nothing},
    {NULL, NULL},
};

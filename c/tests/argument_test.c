/* Arguments that no call may survive on: NULLs, impossible lengths, sizes of
 * structures, more than is allowed. */
#include "check.h"
#include "self.h"

static ffikit_symbolizer symbolizer(void) {
  ffikit_symbolizer made = {0};
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_symbolizer_new(NULL, &made, &error), &error);
  return made;
}

static ffikit_report report(void) {
  ffikit_report made = {0};
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_report_parse(NULL, 0, NULL, &made, &error), &error);
  return made;
}

static void null_outputs_are_refused(void) {
  ffikit_symbolizer s = symbolizer();
  ffikit_report r = report();
  ffikit_error *error = NULL;
  CHECK_FAILS(ffikit_symbolizer_new(NULL, NULL, &error), &error, FFIKIT_ERR_ARGUMENT, "symbolizer_out is NULL");
  CHECK_FAILS(ffikit_symbolizer_resolve(s, "/x", 2, NULL, 0, NULL, &error), &error, FFIKIT_ERR_ARGUMENT,
              "frames_out is NULL");
  CHECK_FAILS(ffikit_report_parse(NULL, 0, NULL, NULL, &error), &error, FFIKIT_ERR_ARGUMENT, "report_out is NULL");
  CHECK_FAILS(ffikit_report_count(r, NULL, &error), &error, FFIKIT_ERR_ARGUMENT, "count_out is NULL");
  CHECK_FAILS(ffikit_report_render(r, FFIKIT_FORMAT_TEXT, NULL, &error), &error, FFIKIT_ERR_ARGUMENT,
              "rendered_out is NULL");
  CHECK_FAILS(ffikit_demangle("a", 1, NULL, &error), &error, FFIKIT_ERR_ARGUMENT, "readable_out is NULL");
  /* Nobody wants the error: the status still tells. */
  CHECK_INT(ffikit_demangle("a", 1, NULL, NULL), FFIKIT_ERR_ARGUMENT);
  ffikit_symbolizer_free(s);
  ffikit_report_free(r);
}

static void null_inputs_with_a_length_are_refused(void) {
  ffikit_symbolizer s = symbolizer(), made = {0};
  ffikit_report r = {0};
  ffikit_frames *frames = NULL;
  ffikit_string *string = NULL;
  ffikit_error *error = NULL;
  CHECK_FAILS(ffikit_symbolizer_resolve(s, NULL, 1, NULL, 0, &frames, &error), &error, FFIKIT_ERR_ARGUMENT,
              "path is NULL");
  CHECK_FAILS(ffikit_symbolizer_resolve(s, "/x", 2, NULL, 1, &frames, &error), &error, FFIKIT_ERR_ARGUMENT,
              "virt_addrs is NULL");
  CHECK_FAILS(ffikit_symbolizer_resolve(s, NULL, 0, NULL, 0, &frames, &error), &error, FFIKIT_ERR_ARGUMENT,
              "path is empty");
  CHECK_FAILS(ffikit_symbolizer_resolve(s, "/a\0b", 4, NULL, 0, &frames, &error), &error, FFIKIT_ERR_ARGUMENT, "NUL");
  CHECK_FAILS(ffikit_report_parse(NULL, 1, NULL, &r, &error), &error, FFIKIT_ERR_ARGUMENT, "log is NULL");
  CHECK_FAILS(ffikit_demangle(NULL, 1, &string, &error), &error, FFIKIT_ERR_ARGUMENT, "name is NULL");
  ffikit_symbolizer_options options = {.struct_size = sizeof options, .debug_dirs_len_bytes = 1};
  CHECK_FAILS(ffikit_symbolizer_new(&options, &made, &error), &error, FFIKIT_ERR_ARGUMENT, "debug_dirs is NULL");
  ffikit_report_options parsing = {.struct_size = sizeof parsing, .source_root_len_bytes = 1};
  CHECK_FAILS(ffikit_report_parse(NULL, 0, &parsing, &r, &error), &error, FFIKIT_ERR_ARGUMENT, "source_root is NULL");
  CHECK(frames == NULL && string == NULL && made.bits == 0 && r.bits == 0);
  ffikit_symbolizer_free(s);
}

static void impossible_lengths_are_refused(void) {
  ffikit_symbolizer s = symbolizer();
  ffikit_frames *frames = NULL;
  ffikit_string *string = NULL;
  ffikit_report r = {0};
  ffikit_error *error = NULL;
  static const size_t impossible[] = {SIZE_MAX, (size_t)PTRDIFF_MAX + 1};
  uint64_t asked = 0;
  for (size_t i = 0; i < 2; i++) {
    CHECK_FAILS(ffikit_demangle("a", impossible[i], &string, &error), &error, FFIKIT_ERR_ARGUMENT, "larger than");
    CHECK_FAILS(ffikit_symbolizer_resolve(s, "/x", impossible[i], &asked, 1, &frames, &error), &error,
                FFIKIT_ERR_ARGUMENT, "path_len_bytes is larger than");
    CHECK_FAILS(ffikit_symbolizer_resolve(s, "/x", 2, &asked, impossible[i], &frames, &error), &error,
                FFIKIT_ERR_ARGUMENT, "virt_addrs_count is larger than");
    CHECK_FAILS(ffikit_report_parse((const uint8_t *)"a", impossible[i], NULL, &r, &error), &error, FFIKIT_ERR_ARGUMENT,
                "log_len_bytes is larger than");
  }
  ffikit_symbolizer_free(s);
}

/* The lengths lie: nothing of what they promise may be read. */
static void more_than_is_allowed_is_refused_unread(void) {
  ffikit_symbolizer s = symbolizer();
  ffikit_frames *frames = NULL;
  ffikit_string *string = NULL;
  ffikit_report r = {0};
  ffikit_error *error = NULL;
  uint64_t asked = 0;
  CHECK_FAILS(ffikit_demangle("a", 1 << 30, &string, &error), &error, FFIKIT_ERR_LIMIT, "bytes");
  CHECK_FAILS(ffikit_symbolizer_resolve(s, "/x", 1 << 30, &asked, 1, &frames, &error), &error, FFIKIT_ERR_LIMIT,
              "path");
  CHECK_FAILS(ffikit_symbolizer_resolve(s, "/x", 2, &asked, (1 << 22) + 1, &frames, &error), &error, FFIKIT_ERR_LIMIT,
              "addresses");
  CHECK_FAILS(ffikit_report_parse((const uint8_t *)"a", ((size_t)1 << 30) + 1, NULL, &r, &error), &error,
              FFIKIT_ERR_LIMIT, "log");
  ffikit_symbolizer_free(s);
}

/* A program that was built with a newer header hands in a larger structure. */
typedef struct newer_options {
  ffikit_symbolizer_options known;
  uint64_t added;
} newer_options;

static ffikit_status made_with(const void *options, ffikit_error **err_out) {
  ffikit_symbolizer made = {0};
  ffikit_status status = ffikit_symbolizer_new(options, &made, err_out);
  CHECK((status == FFIKIT_OK) == (made.bits != 0));
  ffikit_symbolizer_free(made);
  return status;
}

static void structures_of_other_versions_are_understood(void) {
  ffikit_error *error = NULL;
  newer_options newer = {.known = {.struct_size = sizeof newer}, .added = 0};
  CHECK_OK(made_with(&newer, &error), &error); /* newer, but it asks for nothing new */
  newer.added = 1;
  CHECK_FAILS(made_with(&newer, &error), &error, FFIKIT_ERR_ARGUMENT, "struct_size");

  /* Older: what it does not have is not read. */
  ffikit_symbolizer_options older = {.struct_size = sizeof(size_t), .debug_dirs_len_bytes = 77};
  CHECK_OK(made_with(&older, &error), &error);
  older.struct_size = offsetof(ffikit_symbolizer_options, debug_dirs_len_bytes);
  CHECK_OK(made_with(&older, &error), &error);

  static const size_t wrong[] = {0, 1, sizeof(size_t) - 1, 4097, SIZE_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    ffikit_symbolizer_options options = {.struct_size = wrong[i]};
    CHECK_FAILS(made_with(&options, &error), &error, FFIKIT_ERR_ARGUMENT, "struct_size");
  }
}

static void debug_folders_are_taken(void) {
  ffikit_error *error = NULL;
  const char *folders = "/nonexistent/debug::/usr/lib/debug";
  ffikit_symbolizer_options options = {
      .struct_size = sizeof options, .debug_dirs = folders, .debug_dirs_len_bytes = strlen(folders)};
  CHECK_OK(made_with(&options, &error), &error);
}

const check_test argument_tests[] = {
    {"NULL outputs are refused", null_outputs_are_refused},
    {"NULL inputs with a length are refused", null_inputs_with_a_length_are_refused},
    {"impossible lengths are refused", impossible_lengths_are_refused},
    {"more than is allowed is refused unread", more_than_is_allowed_is_refused_unread},
    {"structures of other versions are understood", structures_of_other_versions_are_understood},
    {"debug folders are taken", debug_folders_are_taken},
    {NULL, NULL},
};

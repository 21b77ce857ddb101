/* Reports: a log that scripts/test-c has just made with faulty.c (the fault
 * "free" twice, then "end"), unsymbolized, so that all names and lines are ours. */
#include "check.h"

/* The environment names what scripts/test-c made. */
static const char *setting(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) {
    fprintf(stderr, "report_test: %s is not set; run scripts/test-c\n", name);
    exit(1);
  }
  return value;
}

static char *content_of(const char *path, size_t *len_out) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  char *content = calloc(1, 1 << 20); /* owner: the test */
  *len_out = fread(content, 1, (1 << 20) - 1, file);
  fclose(file);
  return content;
}

/* The line of a marker comment in faulty.c. */
static int marker_line(const char *marker) {
  size_t len;
  char *source = content_of(setting("FFIKIT_FAULTY_SOURCE"), &len);
  const char *at = strstr(source, marker);
  CHECK(at != NULL);
  int line = 1;
  for (const char *c = source; at != NULL && c < at; c++)
    line += *c == '\n';
  free(source);
  return line;
}

static ffikit_report parse(const ffikit_report_options *options) {
  size_t len;
  char *log = content_of(setting("FFIKIT_FAULTY_LOG"), &len);
  ffikit_report report = {0};
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_report_parse((const uint8_t *)log, len, options, &report, &error), &error);
  free(log);
  return report;
}

static size_t count(ffikit_report report) {
  size_t n = SIZE_MAX;
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_report_count(report, &n, &error), &error);
  return n;
}

static ffikit_string *rendered(ffikit_report report, ffikit_format format) {
  ffikit_string *string = NULL;
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_report_render(report, format, &string, &error), &error);
  CHECK_INT(strlen(ffikit_string_data(string)), ffikit_string_len(string));
  return string;
}

static void equal_faults_count_once(void) {
  ffikit_report report = parse(NULL);
  CHECK_INT(count(report), 2);
  ffikit_report_free(report);
}

static void each_format_tells_function_and_line(void) {
  ffikit_report report = parse(NULL);
  char place[64];
  snprintf(place, sizeof place, "faulty.c:%d", marker_line("marker: read after free"));

  ffikit_string *text = rendered(report, FFIKIT_FORMAT_TEXT);
  CHECK_HAS(ffikit_string_data(text), "heap-use-after-free");
  CHECK_HAS(ffikit_string_data(text), "read_after_free");
  CHECK_HAS(ffikit_string_data(text), "write_past_end");
  CHECK_HAS(ffikit_string_data(text), "/vendored/store.c:100");
  CHECK_HAS(ffikit_string_data(text), place);
  CHECK(strchr(ffikit_string_data(text), '\x1b') == NULL);
  ffikit_string_free(text);

  ffikit_string *color = rendered(report, FFIKIT_FORMAT_COLOR);
  CHECK_HAS(ffikit_string_data(color), "\x1b[");
  ffikit_string_free(color);

  ffikit_string *json = rendered(report, FFIKIT_FORMAT_JSON);
  CHECK_HAS(ffikit_string_data(json), "ffikit.report/1");
  CHECK_HAS(ffikit_string_data(json), "heap-buffer-overflow");
  snprintf(place, sizeof place, "\"line\": %d", marker_line("marker: stored past the end"));
  CHECK_HAS(ffikit_string_data(json), place);
  snprintf(place, sizeof place, "\"line\": %d", marker_line("marker: freed here"));
  CHECK_HAS(ffikit_string_data(json), place);
  ffikit_report_free(report);
  CHECK_HAS(ffikit_string_data(json), "ffikit.report/1"); /* outlives the report */
  ffikit_string_free(json);
}

static void a_log_without_reports_counts_none(void) {
  static const char *const logs[] = {"", "all tests passed\n", "==12==ERROR: \xff\xfe\x01\n"};
  for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
    ffikit_report report = {0};
    ffikit_error *error = NULL;
    CHECK_OK(ffikit_report_parse((const uint8_t *)logs[i], strlen(logs[i]), NULL, &report, &error), &error);
    CHECK_INT(count(report), 0);
    ffikit_report_free(report);
  }
  ffikit_report report = {0};
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_report_parse(NULL, 0, NULL, &report, &error), &error);
  CHECK(report.bits != 0);
  ffikit_report_free(report);
}

#define TEXT(field, value) .field = (value), .field##_len_bytes = strlen(value)

static void options_are_honoured(void) {
  char map[512];
  snprintf(map, sizeof map, "\n%s=/mapped/here.c\n", setting("FFIKIT_FAULTY_SOURCE"));
  ffikit_report_options options = {
      .struct_size = sizeof options, TEXT(log_name, "the-night-build.log"), TEXT(path_map, map)};
  ffikit_report report = parse(&options);
  ffikit_string *json = rendered(report, FFIKIT_FORMAT_JSON);
  CHECK_HAS(ffikit_string_data(json), "the-night-build.log");
  CHECK_HAS(ffikit_string_data(json), "/mapped/here.c");
  ffikit_string_free(json);
  ffikit_report_free(report);

  /* The fault is in /vendored/store.c; the user's own code called it. */
  char root[512];
  snprintf(root, sizeof root, "%s", setting("FFIKIT_FAULTY_SOURCE"));
  *strrchr(root, '/') = '\0';
  ffikit_report_options rooted = {.struct_size = sizeof rooted, TEXT(source_root, root)};
  ffikit_report own = parse(&rooted), any = parse(NULL);
  ffikit_string *blames_own = rendered(own, FFIKIT_FORMAT_TEXT), *blames_any = rendered(any, FFIKIT_FORMAT_TEXT);
  CHECK_HAS(ffikit_string_data(blames_any), "/vendored/store.c:100");
  CHECK(strcmp(ffikit_string_data(blames_own), ffikit_string_data(blames_any)) != 0);
  ffikit_string_free(blames_own);
  ffikit_string_free(blames_any);
  ffikit_report_free(own);
  ffikit_report_free(any);
}

static void a_wrong_path_map_is_refused(void) {
  static const char *const maps[] = {"no equals sign", "=to", "/a=/b\n/c\n"};
  for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
    ffikit_report_options options = {.struct_size = sizeof options, TEXT(path_map, maps[i])};
    ffikit_report report = {0};
    ffikit_error *error = NULL;
    CHECK_FAILS(ffikit_report_parse(NULL, 0, &options, &report, &error), &error, FFIKIT_ERR_ARGUMENT, "FROM=TO");
    CHECK(report.bits == 0);
  }
}

static void an_unknown_format_is_refused(void) {
  ffikit_report report = parse(NULL);
  static const ffikit_format formats[] = {-1, 3, INT32_MAX};
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    ffikit_string *string = NULL;
    ffikit_error *error = NULL;
    CHECK_FAILS(ffikit_report_render(report, formats[i], &string, &error), &error, FFIKIT_ERR_ARGUMENT,
                "FFIKIT_FORMAT_");
    CHECK(string == NULL);
  }
  ffikit_report_free(report);
}

const check_test report_tests[] = {
    {"equal faults count once", equal_faults_count_once},
    {"each format tells function and line", each_format_tells_function_and_line},
    {"a log without reports counts none", a_log_without_reports_counts_none},
    {"options are honoured", options_are_honoured},
    {"a wrong path map is refused", a_wrong_path_map_is_refused},
    {"an unknown format is refused", an_unknown_format_is_refused},
    {NULL, NULL},
};

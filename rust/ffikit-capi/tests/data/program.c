/* A C program over ffikit_rs.h: `program FILE VIRT_ADDR`. Every check that
 * fails is said with its line; the exit status is 1 then. It prints the frames
 * of the address for tests/c_program.rs, which knows where it is. */
#define _POSIX_C_SOURCE 200809L
#include "ffikit_rs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);                                                  \
      failures++;                                                                                                      \
    }                                                                                                                  \
  } while (0)

/* Only in builds for tests, so in no header. */
ffikit_rs_status ffikit_rs_testing_panic(const char *message, size_t message_len_bytes, ffikit_rs_error **err_out);

static const char LOG[] =
    "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55d0c0de1000 bp 0x7f sp 0x7e\n"
    "READ of size 4 at 0x602000000010 thread T0\n"
    "    #0 0x55d0c0de0fff in consume /src/app/consumer.c:41:9\n"
    "    #1 0x55d0c0de2000 in main /src/app/main.c:12:3\n"
    "\n"
    "SUMMARY: AddressSanitizer: heap-use-after-free /src/app/consumer.c:41:9 in consume\n"
    "==7==ABORTING\n";

static void check_versions(void) {
  CHECK(ffikit_rs_abi_version() == FFIKIT_RS_ABI_VERSION);
  CHECK(strncmp(ffikit_rs_version(), "0.1.", 4) == 0);
}

/* Makes an error, frees it, and says whether it was the expected one. */
static int is_error(ffikit_rs_status got, ffikit_rs_status wanted, ffikit_rs_error **error_out, const char *part) {
  ffikit_rs_error *error = *error_out;
  *error_out = NULL;
  int right = got == wanted && error != NULL && ffikit_rs_error_status(error) == wanted &&
              strstr(ffikit_rs_error_message(error), part) != NULL;
  if (!right) {
    fprintf(stderr, "status %d, wanted %d: %s (wanted: %s)\n", got, wanted, ffikit_rs_error_message(error), part);
  }
  ffikit_rs_error_free(error);
  return right;
}

static void check_symbolizer(const char *file, uint64_t virt_addr) {
  ffikit_rs_symbolizer_options options = {sizeof options, "/usr/lib/debug:/nowhere", 23};
  ffikit_rs_symbolizer symbolizer = {0};
  ffikit_rs_error *error = NULL;
  ffikit_rs_frames *frames = NULL;

  CHECK(ffikit_rs_symbolizer_new(&options, &symbolizer, &error) == FFIKIT_RS_OK);
  CHECK(symbolizer.bits != 0 && error == NULL);
  uint64_t virt_addrs[] = {0, virt_addr};
  CHECK(ffikit_rs_symbolizer_resolve(symbolizer, file, strlen(file), virt_addrs, 2, &frames, &error) == FFIKIT_RS_OK);
  CHECK(ffikit_rs_frames_len(frames) > 0);
  for (size_t index = 0; index < ffikit_rs_frames_len(frames); index++) {
    const ffikit_rs_frame *frame = ffikit_rs_frames_at(frames, index);
    CHECK(frame->struct_size == sizeof *frame && frame->address_index == 1 && frame->virt_addr == virt_addr);
    printf("frame %s %s %s:%u %u\n", frame->function, frame->language, frame->file, frame->line, frame->flags);
  }
  CHECK(ffikit_rs_frames_at(frames, ffikit_rs_frames_len(frames)) == NULL);

  ffikit_rs_frames *untouched = frames;
  ffikit_rs_status status = ffikit_rs_symbolizer_resolve(symbolizer, "/no/such", 8, virt_addrs, 1, &untouched, &error);
  CHECK(is_error(status, FFIKIT_RS_ERR_NOT_FOUND, &error, "/no/such"));
  CHECK(untouched == frames);

  ffikit_rs_symbolizer_free(symbolizer);
  ffikit_rs_symbolizer_free(symbolizer);
  CHECK(ffikit_rs_frames_at(frames, 0)->virt_addr == virt_addr);
  status = ffikit_rs_symbolizer_resolve(symbolizer, file, strlen(file), virt_addrs, 2, &untouched, &error);
  CHECK(is_error(status, FFIKIT_RS_ERR_HANDLE, &error, "handle"));
  ffikit_rs_frames_free(frames);
}

static void check_report(void) {
  ffikit_rs_report_options options = {.struct_size = sizeof options};
  options.source_root = "/src/app";
  options.source_root_len_bytes = 8;
  options.path_map = "/a=/b\n/c=/d";
  options.path_map_len_bytes = strlen(options.path_map);
  ffikit_rs_report report = {0};
  ffikit_rs_string *rendered = NULL;
  ffikit_rs_error *error = NULL;
  size_t count = 99;

  CHECK(ffikit_rs_report_parse((const uint8_t *)LOG, strlen(LOG), &options, &report, &error) == FFIKIT_RS_OK);
  CHECK(ffikit_rs_report_count(report, &count, NULL) == FFIKIT_RS_OK && count == 1);
  CHECK(ffikit_rs_report_render(report, FFIKIT_RS_FORMAT_TEXT, &rendered, &error) == FFIKIT_RS_OK);
  CHECK(strstr(ffikit_rs_string_data(rendered), "consumer.c:41") != NULL);
  CHECK(strlen(ffikit_rs_string_data(rendered)) == ffikit_rs_string_len(rendered));
  ffikit_rs_string_free(rendered);
  CHECK(ffikit_rs_report_render(report, FFIKIT_RS_FORMAT_JSON, &rendered, &error) == FFIKIT_RS_OK);
  CHECK(strstr(ffikit_rs_string_data(rendered), "ffikit.report/1") != NULL);
  ffikit_rs_string_free(rendered);
  rendered = NULL;
  CHECK(is_error(ffikit_rs_report_render(report, 77, &rendered, &error), FFIKIT_RS_ERR_ARGUMENT, &error, "77"));
  CHECK(rendered == NULL);

  options.path_map = "nonsense";
  options.path_map_len_bytes = 8;
  ffikit_rs_report other = {0};
  ffikit_rs_status status = ffikit_rs_report_parse((const uint8_t *)LOG, 5, &options, &other, &error);
  CHECK(is_error(status, FFIKIT_RS_ERR_ARGUMENT, &error, "nonsense"));
  CHECK(other.bits == 0);
  ffikit_rs_report_free(report);
  ffikit_rs_report_free(report);
  CHECK(is_error(ffikit_rs_report_count(report, &count, &error), FFIKIT_RS_ERR_HANDLE, &error, "handle"));
}

static void check_nulls_and_sizes(void) {
  ffikit_rs_error *error = NULL;
  ffikit_rs_symbolizer symbolizer = {0};
  ffikit_rs_report report = {0};
  CHECK(is_error(ffikit_rs_symbolizer_new(NULL, NULL, &error), FFIKIT_RS_ERR_ARGUMENT, &error, "symbolizer_out"));
  CHECK(
      is_error(ffikit_rs_report_parse(NULL, 9, NULL, &report, &error), FFIKIT_RS_ERR_ARGUMENT, &error, "log is NULL"));
  CHECK(ffikit_rs_report_count(report, NULL, NULL) == FFIKIT_RS_ERR_ARGUMENT);
  ffikit_rs_symbolizer_free(symbolizer);
  ffikit_rs_report_free(report);
  ffikit_rs_frames_free(NULL);
  ffikit_rs_string_free(NULL);
  ffikit_rs_error_free(NULL);
  CHECK(ffikit_rs_frames_len(NULL) == 0 && ffikit_rs_frames_at(NULL, 0) == NULL);
  CHECK(ffikit_rs_string_len(NULL) == 0 && *ffikit_rs_string_data(NULL) == 0);
  CHECK(ffikit_rs_error_status(NULL) == FFIKIT_RS_OK && *ffikit_rs_error_message(NULL) == 0);

  /* A structure of an older program is shorter, of a newer one longer. */
  struct {
    ffikit_rs_symbolizer_options known;
    size_t unknown;
  } newer = {{sizeof newer, NULL, 0}, 0};
  CHECK(ffikit_rs_symbolizer_new(&newer.known, &symbolizer, NULL) == FFIKIT_RS_OK);
  ffikit_rs_symbolizer_free(symbolizer);
  newer.unknown = 1;
  CHECK(ffikit_rs_symbolizer_new(&newer.known, &symbolizer, NULL) == FFIKIT_RS_ERR_ARGUMENT);
  size_t only_its_size = sizeof only_its_size;
  CHECK(ffikit_rs_symbolizer_new((void *)&only_its_size, &symbolizer, NULL) == FFIKIT_RS_OK);
  ffikit_rs_symbolizer_free(symbolizer);
  size_t nothing = 0;
  CHECK(ffikit_rs_symbolizer_new((void *)&nothing, &symbolizer, NULL) == FFIKIT_RS_ERR_ARGUMENT);
}

static int demangles(const char *name, const char *readable) {
  ffikit_rs_string *string = NULL;
  if (ffikit_rs_demangle(name, strlen(name), &string, NULL) != FFIKIT_RS_OK)
    return 0;
  int right = strcmp(ffikit_rs_string_data(string), readable) == 0;
  if (!right)
    fprintf(stderr, "%s is %s\n", name, ffikit_rs_string_data(string));
  ffikit_rs_string_free(string);
  return right;
}

static void check_demangle(void) {
  CHECK(demangles("_RNvC7mycrate3foo", "mycrate::foo"));
  CHECK(demangles("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place"));
  CHECK(demangles("main", "main"));
  CHECK(demangles("", ""));
  ffikit_rs_string *string = NULL;
  CHECK(ffikit_rs_demangle("\xff\xfe", 2, &string, NULL) == FFIKIT_RS_ERR_ARGUMENT);
}

struct seen {
  int calls;
  int well_formed;
};

static void on_panic(void *context, const char *json, size_t json_len, const char *text, size_t text_len) {
  struct seen *seen = context;
  seen->calls++;
  seen->well_formed += strlen(json) == json_len && strlen(text) == text_len && json[json_len - 1] == '}' &&
                       strstr(json, "\"schema\":\"ffikit.report/1\"") != NULL &&
                       strstr(json, "\"kind\":\"panic\"") != NULL && strstr(json, "boom from C") != NULL &&
                       strstr(text, "Rust: panic: boom from C") == text;
  printf("json %s\n", json);
}

static void check_panics(void) {
  static struct seen seen;
  ffikit_rs_error *error = NULL;
  ffikit_rs_string *waiting = NULL;

  CHECK(is_error(ffikit_rs_testing_panic("early", 5, &error), FFIKIT_RS_ERR_PANIC, &error, "early"));
  CHECK(ffikit_rs_panic_hook_install(on_panic, &seen, NULL) == FFIKIT_RS_OK);
  CHECK(is_error(ffikit_rs_testing_panic("boom from C", 11, &error), FFIKIT_RS_ERR_PANIC, &error, "boom from C"));
  CHECK(seen.calls == 1 && seen.well_formed == 1);
  CHECK(ffikit_rs_panic_report_take(&waiting, NULL) == FFIKIT_RS_OK && waiting == NULL);

  CHECK(ffikit_rs_panic_hook_install(NULL, NULL, NULL) == FFIKIT_RS_OK);
  for (int number = 0; number < 70; number++) {
    char message[32];
    int length = snprintf(message, sizeof message, "number %d.", number);
    CHECK(ffikit_rs_testing_panic(message, (size_t)length, NULL) == FFIKIT_RS_ERR_PANIC);
  }
  CHECK(seen.calls == 1);
  for (int number = 6; number < 70; number++) {
    char message[32];
    snprintf(message, sizeof message, "number %d.", number);
    CHECK(ffikit_rs_panic_report_take(&waiting, NULL) == FFIKIT_RS_OK && waiting != NULL);
    CHECK(strstr(ffikit_rs_string_data(waiting), message) != NULL);
    ffikit_rs_string_free(waiting);
  }
  CHECK(ffikit_rs_panic_report_take(&waiting, NULL) == FFIKIT_RS_OK && waiting == NULL);

  ffikit_rs_panic_hook_remove();
  CHECK(ffikit_rs_testing_panic("late", 4, NULL) == FFIKIT_RS_ERR_PANIC);
  CHECK(ffikit_rs_panic_report_take(&waiting, NULL) == FFIKIT_RS_OK && waiting == NULL);
  CHECK(seen.calls == 1);
}

/* The fault to be found in a child is a hang: it has a watchdog. */
static void check_fork(void) {
  ffikit_rs_symbolizer symbolizer = {0};
  CHECK(ffikit_rs_symbolizer_new(NULL, &symbolizer, NULL) == FFIKIT_RS_OK);
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    ffikit_rs_symbolizer other = {0};
    ffikit_rs_error *error = NULL;
    CHECK(is_error(ffikit_rs_symbolizer_new(NULL, &other, &error), FFIKIT_RS_ERR_FORKED, &error, "fork"));
    CHECK(demangles("_RNvC7mycrate3foo", "mycrate::foo"));
    ffikit_rs_symbolizer_free(symbolizer);
    _exit(failures != 0);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ffikit_rs_symbolizer_free(symbolizer);
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  check_versions();
  check_symbolizer(argv[1], strtoull(argv[2], NULL, 16)); /* line: main */
  check_report();
  check_nulls_and_sizes();
  check_demangle();
  check_panics();
  check_fork();
  puts(failures ? "failed" : "done");
  return failures != 0;
}

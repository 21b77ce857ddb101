/* walkthrough.c - ffikit from C: versions, an address of this program, a
 * sanitizer's log, a mangled name, an error. The same walkthrough exists in Go,
 * Rust and Python.
 *
 *   cc -g walkthrough.c $(pkg-config --cflags --libs ffikit) -o walkthrough
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for dladdr1 */
#endif
#include <dlfcn.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include <ffikit/ffikit.h>

/* A log as a CI prints it: another program's line, then a report. */
static const char log_text[] =
    "running 12 tests\n"
    "=================================================================\n"
    "==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000013 at pc 0x55d0c0a1 bp 0x7ffd10 sp "
    "0x7ffd08\n"
    "READ of size 1 at 0x602000000013 thread T0\n"
    "    #0 0x55d0c0a0 in checksum /src/app/record.c:41:19\n"
    "    #1 0x55d0c1b0 in main /src/app/main.c:12:3\n"
    "\n"
    "0x602000000013 is located 3 bytes inside of 24-byte region [0x602000000010,0x602000000028)\n"
    "freed by thread T0 here:\n"
    "    #0 0x55d0b001 in free (/src/app/app+0x9b001)\n"
    "    #1 0x55d0c0f3 in record_drop /src/app/record.c:28:3\n"
    "    #2 0x55d0c1a4 in main /src/app/main.c:11:3\n"
    "\n"
    "SUMMARY: AddressSanitizer: heap-use-after-free /src/app/record.c:41:19 in checksum\n"
    "==4711==ABORTING\n";

/* Says what went wrong, frees the error, and is the exit status. */
static int failed(ffikit_error *error) {
  fprintf(stderr, "%s: %s\n", ffikit_status_name(ffikit_error_status(error)), ffikit_error_message(error));
  ffikit_error_free(error);
  return 1;
}

/* An address is resolved as the file numbers it: less what the loader added. */
static int symbolize_myself(void) {
  Dl_info info;
  struct link_map *map;
  void *abs_addr = (void *)(uintptr_t)&symbolize_myself;
  if (dladdr1(abs_addr, &info, (void **)&map, RTLD_DL_LINKMAP) == 0)
    return 1;
  uint64_t virt_addr = (uintptr_t)abs_addr - map->l_addr;

  ffikit_error *error = NULL;
  ffikit_symbolizer symbolizer;
  if (ffikit_symbolizer_new(NULL, &symbolizer, &error) != FFIKIT_OK)
    return failed(error);
  ffikit_frames *frames = NULL;
  const char *path = "/proc/self/exe";
  ffikit_status status = ffikit_symbolizer_resolve(symbolizer, path, strlen(path), &virt_addr, 1, &frames, &error);
  ffikit_symbolizer_free(symbolizer);
  if (status != FFIKIT_OK)
    return failed(error);
  for (size_t i = 0; i < ffikit_frames_len(frames); i++) {
    const ffikit_frame *frame = ffikit_frames_at(frames, i);
    const char *file = strrchr(frame->file, '/');
    printf("%s at %s:%" PRIu32 "\n", frame->function, file != NULL ? file + 1 : frame->file, frame->line);
  }
  ffikit_frames_free(frames);
  return 0;
}

static int read_the_log(void) {
  ffikit_error *error = NULL;
  ffikit_report_options options = {.struct_size = sizeof options, .log_name = "ci.log", .log_name_len_bytes = 6};
  ffikit_report report;
  if (ffikit_report_parse((const uint8_t *)log_text, strlen(log_text), &options, &report, &error) != FFIKIT_OK)
    return failed(error);
  size_t count = 0;
  ffikit_string *text = NULL;
  if (ffikit_report_count(report, &count, &error) != FFIKIT_OK ||
      ffikit_report_render(report, FFIKIT_FORMAT_TEXT, &text, &error) != FFIKIT_OK) {
    ffikit_report_free(report);
    return failed(error);
  }
  printf("%zu report\n%s", count, ffikit_string_data(text));
  ffikit_string_free(text);
  ffikit_report_free(report);
  return 0;
}

static int demangle(void) {
  ffikit_error *error = NULL;
  ffikit_string *readable = NULL;
  const char *name = "_RNvCs1234_7mycrate3foo";
  if (ffikit_demangle(name, strlen(name), &readable, &error) != FFIKIT_OK)
    return failed(error);
  printf("%s is %s\n", name, ffikit_string_data(readable));
  ffikit_string_free(readable);
  return 0;
}

/* A handle that was freed is refused: an error, no undefined behaviour. */
static int use_after_free(void) {
  ffikit_error *error = NULL;
  ffikit_report report;
  size_t count;
  if (ffikit_report_parse(NULL, 0, NULL, &report, &error) != FFIKIT_OK)
    return failed(error);
  ffikit_report_free(report);
  if (ffikit_report_count(report, &count, &error) == FFIKIT_OK)
    return 1;
  printf("%s: %s\n", ffikit_status_name(ffikit_error_status(error)), ffikit_error_message(error));
  ffikit_error_free(error);
  return 0;
}

int main(void) {
  /* A libffikit of another ABI may come first on the library path. */
  if (ffikit_abi_version() != FFIKIT_ABI_VERSION) {
    fprintf(stderr, "this program needs ABI %d of libffikit, and %s has %" PRIu32 "\n", FFIKIT_ABI_VERSION,
            ffikit_version(), ffikit_abi_version());
    return 1;
  }
  printf("ffikit %s\n", ffikit_version());
  return symbolize_myself() || read_the_log() || demangle() || use_after_free();
}

/* Symbolizers: real addresses of this very program, checked against the lines
 * that the compiler counted. */
#include "check.h"
#include "self.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A place in this file, and the line that __LINE__ gave for it. */
typedef struct place {
  uint64_t virt_addr;
  uint32_t line;
} place;

/* The call and __LINE__ are on one line, whatever formats the source. */
#define HERE() ((place){.virt_addr = self_virt_addr(self_call_site()), .line = __LINE__})

__attribute__((noinline)) static place plain_place(void) { return HERE(); }

static inline __attribute__((always_inline)) place inlined_place(void) { return HERE(); }

__attribute__((noinline)) static place place_with_inlining(uint32_t *outer_line_out) {
  *outer_line_out = __LINE__ + 1;
  return inlined_place();
}

static ffikit_symbolizer make(void) {
  ffikit_symbolizer symbolizer = {0};
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_symbolizer_new(NULL, &symbolizer, &error), &error);
  CHECK(symbolizer.bits != 0);
  return symbolizer;
}

static ffikit_frames *resolve(ffikit_symbolizer self, const uint64_t *virt_addrs, size_t virt_addrs_count) {
  ffikit_frames *frames = NULL;
  ffikit_error *error = NULL;
  CHECK_OK(
      ffikit_symbolizer_resolve(self, self_path(), strlen(self_path()), virt_addrs, virt_addrs_count, &frames, &error),
      &error);
  return frames;
}

static void check_place(const ffikit_frame *frame, const char *function, uint32_t line) {
  CHECK(frame != NULL);
  if (frame == NULL)
    return;
  CHECK_INT(frame->struct_size, sizeof *frame);
  CHECK_TEXT(frame->function, function);
  CHECK_INT(frame->line, line);
  CHECK_TEXT(frame->language, "c");
  CHECK_HAS(frame->file, "symbolizer_test.c");
}

static void addresses_get_their_lines_in_order(void) {
  ffikit_symbolizer symbolizer = make();
  uint32_t outer_line = 0;
  place plain = plain_place(), inlined = place_with_inlining(&outer_line);
  uint64_t asked[] = {inlined.virt_addr, 0, plain.virt_addr};
  ffikit_frames *frames = resolve(symbolizer, asked, 3);

  CHECK_INT(ffikit_frames_len(frames), 3);
  const ffikit_frame *leaf = ffikit_frames_at(frames, 0), *outer = ffikit_frames_at(frames, 1);
  const ffikit_frame *last = ffikit_frames_at(frames, 2);
  check_place(leaf, "inlined_place", inlined.line);
  check_place(outer, "place_with_inlining", outer_line);
  check_place(last, "plain_place", plain.line);
  if (leaf && outer && last) {
    CHECK_INT(leaf->flags, FFIKIT_FRAME_INLINED);
    CHECK_INT(outer->flags, 0);
    CHECK_INT(leaf->address_index, 0);
    CHECK_INT(outer->address_index, 0);
    CHECK_INT(last->address_index, 2); /* the unknown address 0 has no frames */
    CHECK(last->virt_addr == plain.virt_addr);
  }
  CHECK(ffikit_frames_at(frames, 3) == NULL);
  CHECK(ffikit_frames_at(frames, SIZE_MAX) == NULL);
  ffikit_symbolizer_free(symbolizer);
  check_place(ffikit_frames_at(frames, 2), "plain_place", plain.line); /* outlives the symbolizer */
  ffikit_frames_free(frames);
}

static void no_addresses_give_no_frames(void) {
  ffikit_symbolizer symbolizer = make();
  ffikit_frames *frames = resolve(symbolizer, NULL, 0);
  CHECK(frames != NULL);
  CHECK_INT(ffikit_frames_len(frames), 0);
  ffikit_frames_free(frames);
  ffikit_symbolizer_free(symbolizer);
}

static void check_refused(const char *path, ffikit_status want, const char *part) {
  ffikit_symbolizer symbolizer = make();
  ffikit_frames *frames = NULL;
  ffikit_error *error = NULL;
  uint64_t asked = 1;
  ffikit_status status = ffikit_symbolizer_resolve(symbolizer, path, strlen(path), &asked, 1, &frames, &error);
  CHECK_FAILS(status, &error, want, part);
  CHECK(frames == NULL);
  /* err_out may be NULL: the status stays. */
  CHECK_INT(ffikit_symbolizer_resolve(symbolizer, path, strlen(path), &asked, 1, &frames, NULL), want);
  ffikit_symbolizer_free(symbolizer);
}

static void files_that_cannot_be_read_are_refused(void) {
  char folder[] = "/tmp/ffikit-test-XXXXXX";
  CHECK(mkdtemp(folder) != NULL);
  char path[128];

  check_refused("/nonexistent/libnothing.so", FFIKIT_ERR_NOT_FOUND, "/nonexistent/libnothing.so");
  snprintf(path, sizeof path, "%s/text", folder);
  FILE *text = fopen(path, "w");
  CHECK(text != NULL && fputs("This is no ELF file, however long one looks at it.\n", text) >= 0 && fclose(text) == 0);
  check_refused(path, FFIKIT_ERR_FORMAT, path);
  unlink(path);

  FILE *empty = fopen(path, "w");
  CHECK(empty != NULL && fclose(empty) == 0);
  check_refused(path, FFIKIT_ERR_FORMAT, path);
  unlink(path);

  /* Opening a FIFO would wait for a writer for ever. */
  CHECK_INT(mkfifo(path, 0600), 0);
  check_refused(path, FFIKIT_ERR_FORMAT, path);
  unlink(path);
  /* A link to itself: there is something, but the system cannot open it. */
  CHECK_INT(symlink(path, path), 0);
  check_refused(path, FFIKIT_ERR_IO, path);
  unlink(path);
  check_refused(folder, FFIKIT_ERR_FORMAT, folder);
  check_refused("/dev/zero", FFIKIT_ERR_FORMAT, "/dev/zero");
  rmdir(folder);
}

/* Opens a copy of this program that has lost its end. */
static void a_truncated_file_is_refused_or_answered_in_part(void) {
  char path[] = "/tmp/ffikit-test-XXXXXX";
  int out = mkstemp(path), in = open(self_path(), O_RDONLY);
  CHECK(out >= 0 && in >= 0);
  char head[2000];
  ssize_t len = read(in, head, sizeof head);
  CHECK(len == (ssize_t)sizeof head && write(out, head, (size_t)len) == len);
  close(in);
  close(out);
  check_refused(path, FFIKIT_ERR_FORMAT, path);
  unlink(path);
}

static void demangling_reads_each_scheme(void) {
  static const char *const pairs[][2] = {
      {"_ZN3foo3barEi", "foo::bar(int)"},                                              /* Itanium; c++filt agrees */
      {"_RNvCs1234_7mycrate3foo", "mycrate::foo"},                                     /* Rust v0 */
      {"_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place"}, /* Rust legacy */
      {"main", "main"},
      {"", ""},
      {"_Z", "_Z"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    ffikit_string *readable = NULL;
    ffikit_error *error = NULL;
    CHECK_OK(ffikit_demangle(pairs[i][0], strlen(pairs[i][0]), &readable, &error), &error);
    CHECK_TEXT(ffikit_string_data(readable), pairs[i][1]);
    CHECK_INT(ffikit_string_len(readable), strlen(pairs[i][1]));
    ffikit_string_free(readable);
  }
}

static void a_name_may_hold_any_byte(void) {
  ffikit_string *readable = NULL;
  ffikit_error *error = NULL;
  CHECK_OK(ffikit_demangle("a\0b", 3, &readable, &error), &error);
  CHECK_INT(ffikit_string_len(readable), 3);
  CHECK(memcmp(ffikit_string_data(readable), "a\0b", 4) == 0); /* with its final NUL */
  ffikit_string_free(readable);
}

const check_test symbolizer_tests[] = {
    {"addresses get their lines, in order", addresses_get_their_lines_in_order},
    {"no addresses give no frames", no_addresses_give_no_frames},
    {"files that cannot be read are refused", files_that_cannot_be_read_are_refused},
    {"a truncated file is refused", a_truncated_file_is_refused_or_answered_in_part},
    {"demangling reads each scheme", demangling_reads_each_scheme},
    {"a name may hold any byte", a_name_may_hold_any_byte},
    {NULL, NULL},
};

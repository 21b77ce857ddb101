/* host PLUGIN idle|call|panic: loads and unloads a cdylib that holds a Go
 * runtime, again and again. Without the pin in ffikit-sys the unloaded code's
 * threads run on, and the process dies. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char LOG[] =
    "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55d0c0de1000 bp 0x7f sp 0x7e\n"
    "READ of size 4 at 0x602000000010 thread T0\n"
    "    #0 0x55d0c0de0fff in consume /src/app/consumer.c:41:9\n"
    "\n"
    "SUMMARY: AddressSanitizer: heap-use-after-free /src/app/consumer.c:41:9 in consume\n"
    "==7==ABORTING\n";

static int panics;

static void on_panic(void *context, const char *json, size_t json_len, const char *text, size_t text_len) {
  (void)json_len;
  (void)text_len;
  panics += context == (void *)&panics && strstr(json, "inside the plugin") && strstr(text, "plugin_panic");
}

static int fail(const char *what) {
  const char *why = dlerror();
  fprintf(stderr, "host: %s: %s\n", what, why ? why : "wrong answer");
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  for (int round = 0; round < 20; round++) {
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!plugin)
      return fail("dlopen");
    if (strcmp(argv[2], "call") == 0) {
      int64_t (*count)(const uint8_t *, size_t) = (int64_t (*)(const uint8_t *, size_t))dlsym(plugin, "plugin_count");
      if (!count || count((const uint8_t *)LOG, strlen(LOG)) != 1)
        return fail("plugin_count");
    }
    if (strcmp(argv[2], "panic") == 0) {
      typedef void callback(void *, const char *, size_t, const char *, size_t);
      int32_t (*install)(callback *, void *, void *) =
          (int32_t (*)(callback *, void *, void *))dlsym(plugin, "ffikit_rs_panic_hook_install");
      int64_t (*panic)(void) = (int64_t (*)(void))dlsym(plugin, "plugin_panic");
      if (!install || install(on_panic, &panics, NULL) != 0)
        return fail("ffikit_rs_panic_hook_install");
      if (!panic || panic() != -1 || panics != round + 1)
        return fail("plugin_panic");
    }
    if (dlclose(plugin) != 0)
      return fail("dlclose");
    usleep(round < 3 ? 100000 : 5000); /* the runtime's own threads wake up */
  }
  puts("host: still here");
  return 0;
}

/* Asks for Python's frames through the life of an embedded interpreter.
   embed LIBPYTHON PROBE */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*frames_here)(char *into, size_t len, unsigned times);

static void *must(void *found) {
  if (found == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  return found;
}

/* "WHEN: NAME:LINE …", leaf first, without the native frames; or that there is no interpreter. */
static void show(const char *when) {
  static char text[1 << 16];
  char *line, *rest = text;
  printf("%s:", when);
  frames_here(text, sizeof text, 1);
  while ((line = strsep(&rest, "\n")) != NULL) {
    char *kind = strsep(&line, "\t"), *name = strsep(&line, "\t");
    if (strcmp(kind, "frame") == 0) {
      strsep(&line, "\t");
      printf(" %s:%s", name, line);
    } else if (strcmp(kind, "no interpreter") == 0 || strcmp(kind, "refused") == 0) {
      printf(" %s", kind);
    }
  }
  printf("\n");
}

/* Called by Python: importing ctypes in a second life crashes CPython 3.12.1. */
static int audit(const char *event, void *arguments, void *data) {
  (void)arguments, (void)data;
  if (strcmp(event, "ffikit") == 0) {
    show("called");
  }
  return 0;
}

int main(int argc, char **argv) {
  (void)argc;
  *(void **)&frames_here = must(dlsym(must(dlopen(argv[2], RTLD_NOW)), "frames_here"));
  show("no interpreter");
  void *python = must(dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL));
  show("loaded");
  void (*initialize)(int), (*finalize)(void);
  int (*run)(const char *, void *);
  int (*add_hook)(int (*)(const char *, void *, void *), void *);
  *(void **)&initialize = must(dlsym(python, "Py_InitializeEx"));
  *(void **)&finalize = must(dlsym(python, "Py_Finalize"));
  *(void **)&run = must(dlsym(python, "PyRun_SimpleStringFlags"));
  *(void **)&add_hook = must(dlsym(python, "PySys_AddAuditHook"));
  for (int life = 0; life < 2; life++) {
    initialize(0);
    show("initialized");
    add_hook(audit, NULL);
    run("import sys\ndef f():\n  sys.audit('ffikit')\nf()", NULL);
    show("has run");
    finalize();
    show("finalized");
  }
  return 0;
}

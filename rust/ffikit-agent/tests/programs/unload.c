/* unload LIBPYTHON: runs Python, ends it and unloads it; the loader frees memory meanwhile. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  if (!found) {
    fprintf(stderr, "%s\n", dlerror());
    exit(2);
  }
  return found;
}

int main(int argc, char **argv) {
  void *python = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
  if (!python)
    return 2;
  void (*initialize)(int) = symbol(python, "Py_InitializeEx");
  int (*run)(const char *) = symbol(python, "PyRun_SimpleString");
  int (*finalize)(void) = symbol(python, "Py_FinalizeEx");
  initialize(0);
  if (run("def work():\n    return [object() for _ in range(1000)]\nwork()\n") || finalize())
    return 3;
  if (dlclose(python))
    return 4;
  char *volatile block = malloc(10);
  free(block);
  printf("%s\n", dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) ? "still loaded" : "unloaded");
  return 0;
}

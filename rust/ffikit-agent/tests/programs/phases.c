/* phases: counted only where it says so; errno stays; a library that is unloaded, and another one in its place. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static char *volatile newest;

__attribute__((noinline)) static void make(int count) {
  for (int i = 0; i < count; i++)
    newest = malloc(100); /* MAKE */
}

int main(int argc, char **argv) {
  int (*start)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "ffikit_hunt_start");
  int (*stop)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "ffikit_hunt_stop");
  size_t (*path)(char *, size_t) = (size_t(*)(char *, size_t))dlsym(RTLD_DEFAULT, "ffikit_hunt_path");
  char name[4096];
  if (!start || !stop || !path || !path(name, sizeof name) || path(name, 3))
    return 2;
  make(1);
  if (start())
    return 3;
  make(20);
  char *kept = newest;
  if (stop())
    return 4;
  make(300);
  free(kept);
  start();
  errno = 77;
  make(4000);
  newest = malloc(0x7fffffffffffffff);
  if (errno != ENOMEM || newest)
    return 5;
  errno = 77;
  free(NULL);
  if (errno != 77)
    return 6;
  for (int i = 1; i < argc; i++) {
    void *library = dlopen(argv[i], RTLD_NOW);
    char *(*call)(void) = library ? (char *(*)(void))dlsym(library, "plugin_make") : NULL;
    if (!call)
      return 7;
    newest = call();
    dlclose(library);
  }
  puts(name);
  return 0;
}

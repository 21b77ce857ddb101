/* A C program that loads a Go library, calls FUNCTION with a label, and then GOROUTINE. Where it names two
 * libraries, the first one's C code goes on into FUNCTION of the second:
 * caller FUNCTION GOROUTINE LIBRARY [LIBRARY]. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define STAY __asm__ volatile("")

static void *find(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "caller: %s\n", dlerror());
        exit(1);
    }
    return found;
}

__attribute__((noinline)) void caller(void (*into_go)(const char *), const char *label)
{
    into_go(label); /* frame: caller */
    STAY;
}

int main(int argc, char **argv)
{
    void *libraries[2] = {0};
    for (int i = 0; i < argc - 3 && i < 2; i++) {
        libraries[i] = dlopen(argv[i + 3], RTLD_NOW | RTLD_LOCAL);
        if (!libraries[i]) {
            fprintf(stderr, "caller: %s\n", dlerror());
            return 1;
        }
    }
    void (*into_go)(const char *) = (void (*)(const char *))find(libraries[0], argv[1]);
    caller(into_go, "c"); /* frame: main */
    if (libraries[1]) {
        void **next = find(libraries[0], "c_next");
        *next = find(libraries[1], argv[1]);
        caller(into_go, "both");
    } else {
        void (*start)(void) = (void (*)(void))find(libraries[0], argv[2]);
        start();
    }
    return 0;
}

#include <stdlib.h>

__attribute__((noinline)) static char *inner(void) {
    char *p = malloc(40); /* PLUGIN */
    p[0] = 1;
    return p;
}
char *plugin_make(void) {
    return inner(); /* PLUGIN_MAKE */
}

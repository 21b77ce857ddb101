#include <stdlib.h>

char *py_make(int n) {
    char *p = malloc(n);
    p[0] = 1;
    return p;
}
int py_drop(char *p) {
    free(p);
    return 0;
}
int py_use(volatile char *p) { return p[3]; }

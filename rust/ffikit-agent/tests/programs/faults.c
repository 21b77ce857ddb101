// faults.c KIND: one fault, by a chain of functions.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

NOINLINE static char *make(size_t n) {
    char *p = malloc(n); /* ALLOC */
    p[0] = 1;
    return p;
}
NOINLINE static int drop(char *p) {
    free(p); /* FREE */
    return 1;
}
NOINLINE static int use(volatile char *p) {
    return p[3]; /* USE */
}
NOINLINE static int add(int x) {
    return x + 0x7fffffff; /* ADD */
}
NOINLINE static int shift(int x) {
    return 1 << (x + 40); /* SHIFT */
}
NOINLINE static int deep(int n) {
    volatile int more = n;
    return n == 0 ? use(make(2)) : deep(n - 1) + more; /* DEEP */
}
NOINLINE static int use_after_free(void) {
    char *p = make(10); /* MAKES */
    drop(p); /* DROPS */
    return use(p); /* USES */
}
static void *in_thread(void *arg) {
    *(int *)arg += use_after_free(); /* IN_THREAD */
    return NULL;
}
NOINLINE static int start_thread(void) {
    pthread_t t;
    int result = 0;
    if (pthread_create(&t, NULL, in_thread, &result)) /* STARTS */
        return 3;
    pthread_join(t, NULL);
    return result;
}
static void *starts_another(void *arg) {
    *(int *)arg = start_thread(); /* STARTS_ANOTHER */
    return NULL;
}
NOINLINE static int two_threads(void) {
    pthread_t t;
    int result = 0;
    if (pthread_create(&t, NULL, starts_another, &result)) /* STARTS_FIRST */
        return 3;
    pthread_join(t, NULL);
    return result;
}
static void handler(int signal) {
    (void)signal;
    use_after_free(); /* HANDLER */
}
NOINLINE static int in_handler(void) {
    signal(SIGUSR1, handler);
    raise(SIGUSR1); /* RAISES */
    return 0;
}

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "";
    int result = 0;
    if (!strcmp(kind, "free"))
        result = use_after_free(); /* MAIN_FREE */
    if (!strcmp(kind, "thread"))
        result = start_thread(); /* MAIN_THREAD */
    if (!strcmp(kind, "threads"))
        result = two_threads(); /* MAIN_THREADS */
    if (!strcmp(kind, "overflow"))
        result = use(make(2)); /* MAIN_OVERFLOW */
    if (!strcmp(kind, "deep"))
        result = deep(1000); /* MAIN_DEEP */
    if (!strcmp(kind, "twice")) {
        char *p = make(3);
        drop(p); /* FIRST_DROP */
        drop(p); /* SECOND_DROP */
    }
    if (!strcmp(kind, "handler"))
        result = in_handler(); /* MAIN_HANDLER */
    if (!strcmp(kind, "null"))
        result = use((char *)(size_t)(argc - 2)); /* MAIN_NULL */
    if (!strcmp(kind, "undefined"))
        result = add(argc) ^ shift(argc); /* MAIN_UNDEFINED */
    if (!strcmp(kind, "mixed"))
        result = add(argc) + use_after_free() + shift(argc); /* MAIN_MIXED */
    printf("done %d\n", result);
    return 0;
}

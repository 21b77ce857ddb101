// leaks.c KIND: leaks of known number and size, and memory that only looks like one.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

struct node {
    struct node *next;
    char more[40];
};

static void *volatile global;
static __thread void *volatile local;
static pthread_barrier_t barrier;

NOINLINE static void *take(size_t n) {
    void *p = malloc(n); /* TAKE */
    memset(p, 1, n);
    return p;
}
NOINLINE static void lose(size_t n) {
    void *volatile p = take(n); /* LOSE */
    p = NULL;
}
NOINLINE static void lose_list(int n) {
    struct node *volatile list = NULL;
    for (int i = 0; i < n; i++) {
        struct node *node = take(sizeof *node); /* LIST */
        node->next = list;
        list = node;
    }
    list = NULL;
}
// Nothing of the pointers that were here is left on the stack: the real one, not
// the one that ASan makes for locals.
NOINLINE __attribute__((no_sanitize_address)) static void wipe(void) {
    volatile char room[65536];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
}
NOINLINE static void keep_in_thread(void *volatile *place) {
    *place = take(501);
    local = take(502);
}
static void *holder(void *arg) {
    void *volatile mine = NULL;
    keep_in_thread(&mine);
    wipe();
    pthread_barrier_wait(&barrier);
    pause();
    return (void *)mine + (arg != NULL);
}
// Is only in the hands of pthread_create until it runs, and of nobody afterwards.
static void *forgetful(void *arg) {
    memset(arg, 2, 1);
    arg = NULL;
    wipe();
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}
static void start(void *(*routine)(void *), void *arg) {
    pthread_t t;
    if (pthread_create(&t, NULL, routine, arg))
        abort();
}
static void at_exit(void) {
    lose(103);
    wipe();
}

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "";
    global = take(77);
    if (strstr(kind, "lost")) {
        for (int i = 0; i < 3; i++)
            lose(100 + i); /* LOST */
        lose_list(5); /* LOST_LIST */
    }
    if (strstr(kind, "freed"))
        for (int i = 0; i < 1000; i++)
            free(take(i + 1));
    if (strstr(kind, "moved"))
        global = realloc(global, 5000);
    if (strstr(kind, "threads")) {
        pthread_barrier_init(&barrier, NULL, 5);
        for (int i = 0; i < 2; i++)
            start(holder, NULL);
        for (int i = 0; i < 2; i++)
            start(forgetful, take(600));
        pthread_barrier_wait(&barrier);
    }
    if (strstr(kind, "starting")) { // what a thread is given is not leaked while it starts
        pthread_barrier_init(&barrier, NULL, 100);
        for (int i = 0; i < 50; i++)
            start(forgetful, take(700));
    }
    if (strstr(kind, "overwritten")) { // an address that is used again
        for (int i = 0; i < 100; i++) {
            void *p = take(48);
            free(p);
        }
        lose(48);
    }
    if (strstr(kind, "atexit"))
        atexit(at_exit);
    wipe();
    return 0;
}

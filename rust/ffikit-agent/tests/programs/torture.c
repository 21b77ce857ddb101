// torture.c LIBRARY ROUNDS SEED: everything at once that a program may do while stacks
// are recorded. Prints "survived"; whoever runs it watches the clock.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "failed: %s (%d): %s\n", #what, __LINE__, strerror(errno)); abort(); } } while (0)
#define NOINLINE __attribute__((noinline))

enum { THREADS = 8, PLACES = 64 };

static _Atomic(void *) exchange[PLACES]; // blocks that one thread allocates and another frees
static _Atomic int interrupted, stop, findings;
static pthread_key_t key;
static const char *library;
static int rounds;

static unsigned next(unsigned *state) {
    return *state = *state * 1664525u + 1013904223u, *state >> 8;
}

NOINLINE static void churn(unsigned *state) {
    size_t n = next(state) % 5 ? next(state) % 500 + 1 : next(state) % 200000 + 1;
    void *p = NULL;
    switch (next(state) % 5) {
    case 0: p = calloc(n, 1); break;
    case 1: p = realloc(malloc(n / 2 + 1), n); break;
    case 2: CHECK(posix_memalign(&p, 64u << next(state) % 7, n) == 0); break;
    case 3: p = strdup("a string of some length"); break;
    default: p = malloc(n);
    }
    CHECK(p);
    free(atomic_exchange(&exchange[next(state) % PLACES], p));
}

NOINLINE static void recurse(unsigned *state, int depth) {
    volatile char room[64];
    room[0] = 1;
    if (depth > 0)
        recurse(state, depth - 1);
    else
        churn(state);
    room[1] = room[0];
}

static void *worker(void *arg) {
    unsigned state = (unsigned)(size_t)arg;
    pthread_setspecific(key, malloc(10));
    for (int i = 0; i < rounds; i++) {
        recurse(&state, next(&state) % 20);
        if (next(&state) % 400 == 0) {
            errno = 77;
            raise(SIGUSR1);
            CHECK(errno == 77);
        }
    }
    return NULL;
}

static void *loader(void *arg) {
    while (!atomic_load(&stop)) {
        void *handle = dlopen(library, RTLD_NOW);
        CHECK(handle);
        char *(*make)(void);
        *(void **)&make = dlsym(handle, "plugin_make");
        for (int i = 0; i < 20; i++)
            free(make());
        CHECK(dlclose(handle) == 0);
    }
    return arg;
}

static void *brief(void *arg) {
    pthread_setspecific(key, malloc(20));
    free(malloc(30));
    return arg;
}

static void *starter(void *arg) {
    while (!atomic_load(&stop)) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, brief, NULL) == 0);
        CHECK(pthread_join(t, NULL) == 0);
    }
    return arg;
}

static void *forker(void *arg) {
    unsigned state = (unsigned)(size_t)arg;
    for (int i = 0; !atomic_load(&stop) && i < 20; i++) {
        pid_t child = i % 3 ? fork() : vfork();
        CHECK(child >= 0);
        if (child == 0 && i % 3 == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(1);
        }
        if (child == 0) {
            // No free and no report: of the sanitizer's own locks those of its quarantine and of its reports may be
            // held by threads that are not here (it hangs without the companion as well).
            for (int k = 0; k < 100; k++)
                CHECK(malloc(k + next(&state) % 100));
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    return arg;
}

static void *faulty(void *arg) {
    for (int i = 0; i < 50; i++) {
        char *volatile p = malloc(16);
        free(p);
        atomic_fetch_add(&findings, *(volatile char *)p | 1);
    }
    return arg;
}

static void at_signal(int signal) {
    (void)signal;
    int saved = errno;
    free(malloc(123));
    errno = saved;
}
static void at_tick(int signal) {
    (void)signal;
    atomic_fetch_add(&interrupted, 1);
}
static void at_thread_exit(void *p) {
    free(p);
    free(malloc(5));
}
static void at_exit(void) {
    for (int i = 0; i < PLACES; i++)
        free(atomic_exchange(&exchange[i], NULL));
    free(malloc(6));
}
__attribute__((destructor)) static void at_unload(void) { free(malloc(7)); }

int main(int argc, char **argv) {
    CHECK(argc == 4);
    library = argv[1];
    rounds = atoi(argv[2]);
    unsigned seed = atoi(argv[3]);
    atexit(at_exit);
    CHECK(pthread_key_create(&key, at_thread_exit) == 0);
    signal(SIGUSR1, at_signal);
    struct sigaction tick = {.sa_handler = at_tick, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGPROF, &tick, NULL) == 0);
    struct itimerval every = {{0, 1000}, {0, 1000}};
    CHECK(setitimer(ITIMER_PROF, &every, NULL) == 0);
    void *(*others[])(void *) = {loader, loader, starter, forker, faulty};
    enum { OTHERS = sizeof others / sizeof others[0] };
    pthread_t workers[THREADS], rest[OTHERS];
    for (size_t i = 0; i < OTHERS; i++)
        CHECK(pthread_create(&rest[i], NULL, others[i], (void *)(seed + i)) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&workers[i], NULL, worker, (void *)(seed * 31 + i)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(workers[i], NULL) == 0);
    atomic_store(&stop, 1);
    for (int i = 0; i < OTHERS; i++)
        CHECK(pthread_join(rest[i], NULL) == 0);
    printf("survived\n");
    return 0;
}

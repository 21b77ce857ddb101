/* Signals to one thread, at times that nothing in it decides. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { SIGNALS = 400 };

/* As main.go declares it. */
struct shared {
    uint32_t done, running;
};

static struct shared shared;
static volatile int told;
static pthread_t target;
static char handler_stack[256 << 10];

void c_handler(int signal)
{
    char label[16];
    void (*probe)(const char *) = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    (void)signal;
    snprintf(label, sizeof label, "%d", told);
    probe(label);
    told++;
}

static void *send(void *nothing)
{
    (void)nothing;
    while (!__atomic_load_n(&shared.running, __ATOMIC_ACQUIRE))
        sched_yield();
    for (int sent = 0; sent < SIGNALS; sent++) {
        struct timespec pause = {0, 100000 + 7919 * (sent % 31)};
        nanosleep(&pause, NULL);
        pthread_kill(target, SIGUSR2);
        while (told <= sent)
            nanosleep(&pause, NULL);
    }
    __atomic_store_n(&shared.done, 1, __ATOMIC_RELEASE);
    return NULL;
}

struct shared *c_start(void)
{
    /* Telling takes more than Go's 32 KiB in a debug build. */
    stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    struct sigaction action = {.sa_flags = SA_ONSTACK | SA_RESTART};
    pthread_t sender;
    sigaltstack(&stack, NULL);
    action.sa_handler = c_handler;
    sigaction(SIGUSR2, &action, NULL);
    target = pthread_self();
    pthread_create(&sender, NULL, send, NULL);
    return &shared;
}

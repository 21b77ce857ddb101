/* Tells stacks of C code where a thread may be: in nested calls, on another thread, in a leaf that faults on an
 * alternate stack, behind a call to nowhere, in a handler that interrupted a handler. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __clang__
#define APART __attribute__((noinline))
#else
#define APART __attribute__((noinline, noclone))
#endif
#define STAY(value) __asm__ volatile("" ::"r"(value) : "memory")

static void (*probe)(const char *);
static const char *label;
static sigjmp_buf back;

APART void inner(const char *name)
{
    probe(name);
    STAY(name);
}

APART void outer(const char *name)
{
    char room[300];
    STAY(room);
    inner(name);
    STAY(room);
}

/* Says whether return addresses are signed: the saved one then differs from the address. */
APART void signatures(void)
{
    uintptr_t saved = ((uintptr_t *)__builtin_frame_address(0))[1];
    uintptr_t address = (uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0));
    fprintf(stderr, "return addresses are %s\n", saved == address ? "plain" : "signed");
}

void *thread(void *name)
{
    outer(name);
    STAY(name);
    return name;
}

APART int faulting(int *where)
{
    volatile int room[4] = {1};
    *(volatile int *)where = room[0];
    return room[0];
}

APART void calls_faulting(int *where)
{
    int result = faulting(where);
    STAY(result);
}

APART void calls_nowhere(void (*nowhere)(void))
{
    nowhere();
    STAY(nowhere);
}

void second_handler(int signal)
{
    inner(label);
    STAY(signal);
}

void handler(int signal)
{
    if (label[0] == 't')
        raise(SIGUSR1);
    else
        inner(label);
    STAY(signal);
    siglongjmp(back, 1);
}

static void install(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handler;
    sigaction(signal, &action, NULL);
}

APART void faults(void)
{
    install(SIGSEGV, handler, SA_ONSTACK | SA_NODEFER);
    install(SIGUSR1, second_handler, 0);
    label = "fault";
    if (!sigsetjmp(back, 1))
        calls_faulting(NULL);
    label = "nowhere";
    if (!sigsetjmp(back, 1))
        calls_nowhere((void (*)(void))(uintptr_t)0x10);
    label = "twice";
    if (!sigsetjmp(back, 1))
        calls_faulting(NULL);
}

int main(void)
{
    probe = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    signatures();
    outer("nested");
    pthread_t other;
    if (pthread_create(&other, NULL, thread, (void *)"thread") != 0)
        return 1;
    pthread_join(other, NULL);
    stack_t alternate = {.ss_sp = malloc(1 << 18), .ss_size = 1 << 18};
    sigaltstack(&alternate, NULL);
    faults();
    return 0;
}

/* The fault, and the handler that was there first. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#define STAY __asm__ volatile("")

__attribute__((noinline)) void c_fault(int *where)
{
    *(volatile int *)where = 1;
    STAY;
}

static void tell(void)
{
    void (*probe)(const char *) = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    probe("forwarded");
}

void c_handler(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    tell();
    _exit(0);
}

/* Before Go's runtime starts, which then keeps this handler to forward to. */
__attribute__((constructor(101))) static void install(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = c_handler;
    sigaction(SIGSEGV, &action, NULL);
}

/* The C side. dlsym: the probe is loaded into the program, nobody links it. */
#define _GNU_SOURCE
#include <dlfcn.h>

void goMiddle(const char *label, int rounds);
void goInner(const char *label, int rounds);

/* What comes after a call keeps it from becoming a jump. */
#define STAY __asm__ volatile("")

/* Where the innermost C function goes instead of the probe: into another Go library. */
void (*c_next)(const char *label);

__attribute__((noinline)) void c_leaf(const char *label)
{
    void (*next)(const char *) = c_next;
    if (!next)
        next = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    next(label); /* frame: c_leaf */
    STAY;
}

__attribute__((noinline)) void c_inner(const char *label, int rounds)
{
    goInner(label, rounds); /* frame: c_inner */
    STAY;
}

__attribute__((noinline)) void c_outer(const char *label, int rounds)
{
    volatile char pad[72] = {0};
    goMiddle(label, rounds); /* frame: c_outer */
    STAY;
    (void)pad;
}

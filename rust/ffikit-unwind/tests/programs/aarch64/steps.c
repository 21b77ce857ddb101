/* Interrupts a chain of calls before every single instruction, and has the stack told there.
 *
 * A breakpoint takes the place of each instruction of each function in turn, and of those of an entry of the PLT;
 * the handler has the stack told under the label NAME+OFFSET, and puts the instruction back. The last line says
 * how many instructions there were. The chain goes straight on, so each of them is reached. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <alloca.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __clang__
#define STEP __attribute__((noinline))
#else
#define STEP __attribute__((noinline, noclone))
#endif
#define STAY(value) __asm__ volatile("" ::"r"(value) : "memory")
#define BREAKPOINT 0xd4200020u

static void (*probe)(const char *);
static uint32_t *place;
static uint32_t instruction;
static char label[64];

static void write_code(uint32_t code)
{
    *place = code;
    __builtin___clear_cache((char *)place, (char *)(place + 1));
}

void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    write_code(instruction); /* First: the walker reads code, too. */
    probe(label);
    STAY(context);
}

/* No frame at all but what lies in it; it calls nothing. */
STEP long leaf(long value)
{
    volatile long room[6];
    for (int i = 0; i < 1; i++)
        room[i] = value;
    return room[0] + 1;
}

/* A frame that a single instruction cannot make. */
STEP long large(long value)
{
    char room[20000];
    STAY(room);
    value = leaf(value + 1);
    STAY(room);
    return value * 3;
}

/* CFA by x29, since the stack pointer moves on. */
STEP long moving(long value)
{
    char *room = alloca((size_t)value & 64);
    STAY(room);
    value = large(value + (room == NULL));
    STAY(room);
    return value + 1;
}

/* Saved registers, and a call through the PLT. */
STEP long several(long value)
{
    long a = value + 1, b = value * 3, c = value ^ 5;
    STAY(a);
    a += moving(b);
    STAY(b);
    b += getppid();
    STAY(c);
    return a + b + c;
}

/* Ends in a jump. */
STEP long tail(long value)
{
    STAY(value);
    return several(value + 2);
}

STEP long drive(void)
{
    long value = tail(64);
    STAY(value);
    return value;
}

static void step(const char *name, uint32_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        place = at + i;
        instruction = *place;
        snprintf(label, sizeof label, "%s+%zu", name, 4 * i);
        write_code(BREAKPOINT);
        drive();
        if (*place != instruction) {
            fprintf(stderr, "steps: %s was not reached\n", label);
            exit(1);
        }
    }
    fprintf(stderr, "steps %s %zu\n", name, count);
}

static void make_writable(void *at)
{
    uintptr_t page = (uintptr_t)at & ~(uintptr_t)0xffff;
    if (mprotect((void *)page, 0x20000, PROT_READ | PROT_WRITE | PROT_EXEC) != 0
        && mprotect((void *)page, 0x10000, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        perror("steps: mprotect");
        exit(1);
    }
}

static void step_function(const char *name, void *function)
{
    Dl_info info;
    const ElfW(Sym) * symbol;
    if (!dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT) || strcmp(info.dli_sname, name) != 0)
        abort();
    make_writable(function);
    step(name, function, symbol->st_size / 4);
}

/* The entry of the PLT that `several` calls: a bl that does not lead to one of the functions. */
static void step_plt(void)
{
    for (uint32_t *at = (uint32_t *)several;; at++) {
        if (*at >> 26 != 0x25)
            continue;
        uint32_t *target = at + ((int32_t)(*at << 6) >> 6);
        if (target == (uint32_t *)moving)
            continue;
        size_t count = 0;
        make_writable(target);
        while (target[count] != 0xd61f0220) /* br x17 */
            count++;
        step("plt", target, count + 1);
        return;
    }
}

int main(void)
{
    probe = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = handler;
    sigaction(SIGTRAP, &action, NULL);
    drive();
    step_function("leaf", leaf);
    step_function("large", large);
    step_function("moving", moving);
    step_function("several", several);
    step_function("tail", tail);
    step_function("drive", drive);
    step_plt();
    return 0;
}

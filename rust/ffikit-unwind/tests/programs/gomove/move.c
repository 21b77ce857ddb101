/* The C frame that lives while the goroutine's stack is moved below it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void goGrow(void);

#define STAY __asm__ volatile("")

/* The frame pointer that c_outer was called with: that of a Go frame. */
static void *frame_of_go;

__attribute__((noinline)) void c_leaf(const char *label)
{
    void (*probe)(const char *) = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    probe(label);
    STAY;
}

/* Says whether the kernel can still read the frame that c_outer was called from. */
__attribute__((noinline)) void c_inner(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return;
    int unreadable = write(ends[1], frame_of_go, 8) == -1 && errno == EFAULT;
    fprintf(stderr, "saved frame pointer %s\n", unreadable ? "unreadable" : "readable");
    close(ends[0]);
    close(ends[1]);
    c_leaf("inside");
    STAY;
}

__attribute__((noinline)) void c_after(void)
{
    goGrow();
    c_leaf("after");
    STAY;
}

void c_outer(void);
__asm__(".text\n"
        ".globl c_outer\n"
        ".type c_outer, @function\n"
        "c_outer:\n"
        ".cfi_startproc\n"
        "    sub $8, %rsp\n"
        ".cfi_adjust_cfa_offset 8\n"
        "    mov %rbp, %rdi\n"
        "    call c_enter\n"
        "    add $8, %rsp\n"
        ".cfi_adjust_cfa_offset -8\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size c_outer, .-c_outer\n");

__attribute__((noinline)) void c_enter(void *frame)
{
    frame_of_go = frame;
    c_after();
    STAY;
}

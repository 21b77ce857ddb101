/* The C frame that lives while the goroutine's stack is moved below it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void goGrow(void);

#define STAY __asm__ volatile("")

/* The frame pointer of the Go frame that c_outer was called from. */
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
#if defined(__aarch64__)
/* Go does not leave its frame pointer to C here; asmcgocall keeps g, and how deep its frame lies. */
__asm__(".text\n"
        ".globl c_outer\n"
        ".type c_outer, %function\n"
        "c_outer:\n"
        ".cfi_startproc\n"
        "    ldp x9, x10, [sp]\n"
        "    ldr x9, [x9, 8]\n"
        "    sub x0, x9, x10\n"
        "    str x30, [sp, -16]!\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset 30, -16\n"
        "    bl c_enter\n"
        "    ldr x30, [sp], 16\n"
        ".cfi_def_cfa_offset 0\n"
        ".cfi_restore 30\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size c_outer, .-c_outer\n");
#else
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
#endif

__attribute__((noinline)) void c_enter(void *frame)
{
    frame_of_go = frame;
    c_after();
    STAY;
}

/* Frames whose CFA is a callee-saved register: what alloca and realigned stacks lead to, once for each register. */
#define _GNU_SOURCE
#include <dlfcn.h>

#define STAY __asm__ volatile("")

__attribute__((noinline)) void c_leaf(void)
{
    void (*probe)(const char *) = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    probe("registers");
    STAY;
}

#define FRAME(REGISTER)                                                                                                \
    void c_##REGISTER(int left);                                                                                       \
    __asm__(".text\n"                                                                                                  \
            ".globl c_" #REGISTER "\n"                                                                                 \
            ".type c_" #REGISTER ", @function\n"                                                                       \
            "c_" #REGISTER ":\n"                                                                                       \
            ".cfi_startproc\n"                                                                                         \
            "    push %" #REGISTER "\n"                                                                                \
            ".cfi_adjust_cfa_offset 8\n"                                                                               \
            ".cfi_offset %" #REGISTER ", -16\n"                                                                        \
            "    mov %rsp, %" #REGISTER "\n"                                                                           \
            ".cfi_def_cfa_register %" #REGISTER "\n"                                                                   \
            "    sub $72, %rsp\n"                                                                                      \
            "    and $-64, %rsp\n"                                                                                     \
            "    call goNext@PLT\n"                                                                                    \
            "    mov %" #REGISTER ", %rsp\n"                                                                           \
            ".cfi_def_cfa_register %rsp\n"                                                                             \
            "    pop %" #REGISTER "\n"                                                                                 \
            ".cfi_adjust_cfa_offset -8\n"                                                                              \
            ".cfi_restore %" #REGISTER "\n"                                                                            \
            "    ret\n"                                                                                                \
            ".cfi_endproc\n"                                                                                           \
            ".size c_" #REGISTER ", .-c_" #REGISTER "\n");

FRAME(rbx)
FRAME(r12)
FRAME(r13)
FRAME(r14)
FRAME(r15)

void c_frame(int left)
{
    static void (*const frames[])(int) = {0, c_rbx, c_r12, c_r13, c_r14, c_r15};
    if (left > 0)
        frames[left](left);
    else
        c_leaf();
    STAY;
}

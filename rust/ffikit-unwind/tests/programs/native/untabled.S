/* A function without CFI. */
        .text
        .globl  untabled_plain
        .type   untabled_plain, @function
untabled_plain:
        subq    $24, %rsp
        call    *%rdi
        addq    $24, %rsp
        ret
        .size   untabled_plain, . - untabled_plain
        .section .note.GNU-stack, "", @progbits

/* Rules that compilers seldom write, for the reader of tables (src/cfi/tests.rs). Never run. */
        .text
        .type   unusual, @function
unusual:
        .cfi_startproc
        .cfi_personality 0x9b, .Lanywhere
        nop
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        nop
        .cfi_remember_state
        .cfi_def_cfa rbp, 24
        .cfi_undefined r12
        nop
        .cfi_same_value rbp
        .cfi_register r13, rdx
        nop
        .cfi_restore_state
        nop
        .cfi_val_offset r14, -40
        nop
        /* DW_CFA_GNU_args_size 32 */
        .cfi_escape 0x2e, 0x20
        .cfi_adjust_cfa_offset 4096
        nop
        /* DW_CFA_def_cfa_expression: breg6 -8, deref */
        .cfi_escape 0x0f, 0x03, 0x76, 0x78, 0x06
        nop
        /* DW_CFA_expression rbx: breg6 -24; DW_CFA_val_expression r15: breg7 64 */
        .cfi_escape 0x10, 0x03, 0x02, 0x76, 0x68
        .cfi_escape 0x16, 0x0f, 0x03, 0x77, 0xc0, 0x00
        nop
        .cfi_restore rbx
        .skip 300
        .cfi_def_cfa rsp, 8
        .skip 70000
        .cfi_def_cfa_offset 24
        nop
        .cfi_endproc
        .size   unusual, . - unusual

        .type   trampoline, @function
trampoline:
        .cfi_startproc
        .cfi_signal_frame
        .cfi_undefined rip
        nop
        .cfi_endproc
        .size   trampoline, . - trampoline

        .type   empty, @function
empty:
        .cfi_startproc
        nop
        .cfi_endproc
        .size   empty, . - empty
        .data
.Lanywhere:
        .quad   0
        .section .note.GNU-stack, "", @progbits

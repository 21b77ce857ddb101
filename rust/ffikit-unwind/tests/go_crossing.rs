//! What is read from the code of Go's crossings, and what is refused. The code is that of Go 1.21
//! and 1.26, as objdump shows it.
#![cfg(target_arch = "x86_64")]

use ffikit_unwind::arch::crossing::{for_each_call, Caller, Leave, Return};
use ffikit_unwind::module;

/// Behind crosscall2's call in Go 1.26: gives back the registers, drops its frame, returns.
const CROSSCALL2: [u8; 39] = [
    0x48, 0x83, 0xc4, 0x18, // add $0x18, %rsp
    0x48, 0x8b, 0x1c, 0x24, // mov (%rsp), %rbx
    0x4c, 0x8b, 0x64, 0x24, 0x08, // mov 0x8(%rsp), %r12
    0x4c, 0x8b, 0x6c, 0x24, 0x10, // mov 0x10(%rsp), %r13
    0x4c, 0x8b, 0x74, 0x24, 0x18, // mov 0x18(%rsp), %r14
    0x4c, 0x8b, 0x7c, 0x24, 0x20, // mov 0x20(%rsp), %r15
    0x48, 0x8b, 0x6c, 0x24, 0x28, // mov 0x28(%rsp), %rbp
    0x48, 0x83, 0xc4, 0x30, // add $0x30, %rsp
    0x5d, // pop %rbp
    0xc3, // ret
];

fn compile(code: &[u8]) -> Option<Leave> {
    Leave::compile(code, 0, 0, |_, _| false)
}

/// A stack on which every word is its own number: what is read names where it was read.
fn numbered() -> Vec<u64> {
    (0..64).collect()
}

#[test]
fn registers_are_where_crosscall2_takes_them_from() {
    assert!(module::prepare());
    let stack = numbered();
    let frame = stack.as_ptr() as u64;
    let caller = compile(&CROSSCALL2).unwrap().apply(frame).unwrap();
    // [0] frame pointer, [1] return address, [2..5] arguments, then what crosscall2 saved.
    let expected = Caller {
        pc: 12,
        sp: frame + 8 * 13,
        fp: 11,
        callee_saved: [5, 6, 7, 8, 9],
    };
    assert_eq!(caller, expected);

    // Go 1.21 has no frame of its own there: no pop.
    let code: Vec<u8> = CROSSCALL2.iter().copied().filter(|byte| *byte != 0x5d).collect();
    let caller = compile(&code).unwrap().apply(frame).unwrap();
    assert_eq!((caller.pc, caller.fp, caller.sp), (11, 10, frame + 8 * 12));
}

#[test]
fn other_forms_of_the_same() {
    let stack = numbered();
    let frame = stack.as_ptr() as u64;
    let expected = compile(&CROSSCALL2).unwrap().apply(frame);
    let replace = |from: &[u8], to: &[u8]| {
        let at = CROSSCALL2
            .windows(from.len())
            .position(|piece| piece == from)
            .unwrap();
        [&CROSSCALL2[..at], to, &CROSSCALL2[at + from.len()..]].concat()
    };
    let add = [0x48, 0x83, 0xc4, 0x18];
    for same in [
        &[0x48, 0x81, 0xc4, 0x18, 0, 0, 0][..], // add $0x18, %rsp with 32 bits
        &[0x48, 0x83, 0xec, 0xe8],              // sub $-0x18, %rsp
        &[0x48, 0x8d, 0x64, 0x24, 0x18],        // lea 0x18(%rsp), %rsp
        &[0x58, 0x59, 0x41, 0x5a],              // pop %rax; pop %rcx; pop %r10
    ] {
        assert_eq!(
            compile(&replace(&add, same)).unwrap().apply(frame),
            expected,
            "{same:x?}"
        );
    }
    let load = [0x4c, 0x8b, 0x64, 0x24, 0x08];
    let long = replace(&load, &[0x4c, 0x8b, 0xa4, 0x24, 8, 0, 0, 0]); // mov 0x8(%rsp), %r12 with 32 bits
    assert_eq!(compile(&long).unwrap().apply(frame), expected);
}

#[test]
fn what_is_no_way_out() {
    for len in 0..CROSSCALL2.len() {
        assert_eq!(compile(&CROSSCALL2[..len]), None, "cut off after {len}");
    }
    let edited = |at: usize, byte: u8| {
        let mut code = CROSSCALL2;
        code[at] = byte;
        compile(&code)
    };
    assert!(edited(3, 0x18).is_some());
    assert_eq!(edited(3, 0x19), None, "a stack pointer that is not aligned");
    assert_eq!(edited(3, 0x80), None, "below the frame");
    assert_eq!(edited(12, 0x80), None, "a register from below the frame");
    assert_eq!(edited(12, 0x09), None, "a register that is not aligned");
    assert_eq!(edited(12, 0x58), None, "a register from above the return address");
    assert_eq!(edited(10, 0x5c), None, "r12 is not given back");
    assert_eq!(edited(0, 0xe8), None, "a call");
    assert_eq!(
        compile(&[0x48, 0x81, 0xc4, 0xff, 0xff, 0xff, 0x7f].repeat(9)),
        None
    );
    assert_eq!(compile(&[0x48, 0x83, 0xc4, 0].repeat(100)), None, "no end");
}

#[test]
fn a_frame_that_cannot_be_read() {
    let leave = compile(&CROSSCALL2).unwrap();
    for frame in [0, 8, 1 << 47, u64::MAX - 7, 0x1234_5678_9abc_def0] {
        assert_eq!(leave.apply(frame), None, "{frame:#x}");
    }
    let stack = numbered();
    assert_eq!(leave.apply(stack.as_ptr() as u64 + 1), None, "not aligned");
}

/// Behind asmcgocall's call on a goroutine's behalf.
const ON_A_GOROUTINE: [u8; 17] = [
    0x48, 0x8b, 0x7c, 0x24, 0x30, // mov 0x30(%rsp), %rdi
    0x48, 0x8b, 0x77, 0x08, // mov 0x8(%rdi), %rsi
    0x48, 0x2b, 0x74, 0x24, 0x28, // sub 0x28(%rsp), %rsi
    0x48, 0x89, 0xf4, // mov %rsi, %rsp
];

#[test]
fn where_asmcgocall_keeps_the_goroutine() {
    let old = Some(Return::Goroutine {
        g: 0x30,
        high: 8,
        depth: 0x28,
    });
    assert_eq!(Return::compile(&ON_A_GOROUTINE), old);
    for tls in [
        [0x48, 0x8b, 0x0d, 1, 2, 3, 4],
        [0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff],
    ] {
        assert_eq!(Return::compile(&[&tls[..], &ON_A_GOROUTINE].concat()), old);
    }
    let new = [
        &[0x48, 0x8b, 0x7c, 0x24, 0x08][..], // mov 0x8(%rsp), %rdi
        &[0x48, 0x8b, 0x77, 0x08],           // mov 0x8(%rdi), %rsi
        &[0x48, 0x2b, 0x34, 0x24],           // sub (%rsp), %rsi
    ];
    let expected = Some(Return::Goroutine {
        g: 8,
        high: 8,
        depth: 0,
    });
    assert_eq!(Return::compile(&new.concat()), expected);
    let system = Some(Return::SystemStack { frame: 0 });
    assert_eq!(Return::compile(&[0x48, 0x8b, 0x34, 0x24]), system); // mov (%rsp), %rsi
    let system = Some(Return::SystemStack { frame: 0x28 });
    assert_eq!(Return::compile(&[0x48, 0x8b, 0x74, 0x24, 0x28]), system);
}

#[test]
fn other_calls_are_not_asmcgocalls() {
    for len in 0..14 {
        assert_eq!(Return::compile(&ON_A_GOROUTINE[..len]), None);
    }
    for at in [0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 12] {
        let mut code = ON_A_GOROUTINE;
        code[at] ^= 0x10;
        let read = Return::compile(&code);
        assert!(
            !matches!(read, Some(Return::Goroutine { .. })),
            "byte {at}: {read:?}"
        );
    }
    // asmcgocall's wrapper for Go's other calling convention: xorps %xmm15, %xmm15.
    assert_eq!(
        Return::compile(&[0x45, 0x0f, 0x57, 0xff, 0x64, 0x4c, 0x8b, 0x34, 0x25, 0, 0, 0, 0]),
        None
    );
    assert_eq!(Return::compile(&CROSSCALL2), None);
    let below = [0x48, 0x8b, 0x74, 0x24, 0xf8]; // mov -0x8(%rsp), %rsi
    assert_eq!(Return::compile(&below), None);
}

#[test]
fn calls_are_found_with_what_follows_them() {
    let mut found = Vec::new();
    let code = [
        0x90, 0xe8, 1, 2, 3, 4, 0x90, 0xff, 0xd0, 0x90, 0xff, 0x15, 1, 2, 3, 4, 0x90, 0xe8, 0, 0, 0, 0,
    ];
    for_each_call(&code, |end| found.push(end));
    assert_eq!(found, [6, 9, 16], "the last one has nothing behind it");
}

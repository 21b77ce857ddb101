//! How Go (1.21 to 1.26 were tried) crosses into C and back on x86-64, read from
//! the code of its own assembly functions: what stands behind their call
//! instructions says where the caller's registers and the goroutine's stack
//! pointer were saved. So no table of releases is needed. The code is decoded
//! once, when a runtime is found; walking then adds offsets.
//!
//! Sources: PUSH_REGS_HOST_TO_ABI0 in runtime/cgo/abi_amd64.h, crosscall2 in
//! runtime/cgo/asm_amd64.s, asmcgocall in runtime/asm_amd64.s, sigtramp in
//! runtime/sys_linux_amd64.s.

use super::Registers;
use crate::go::InterruptedCaller;
use crate::memory::{is_page_readable, load_u64};

/// How many callee-saved registers there are besides the frame pointer.
pub const CALLEE_SAVED: usize = 5;

/// RBX, R12, R13, R14, R15, as instructions number them.
const CALLEE_SAVED_NUMBERS: [usize; CALLEE_SAVED] = [3, 12, 13, 14, 15];
const RBP: usize = 5;

/// How far from the callee's frame the caller's registers are looked for.
const REACH_BYTES: i32 = 4096;

/// The registers of a caller, as they were when it called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its return address.
    pub pc: u64,
    /// The stack pointer after the return.
    pub sp: u64,
    /// RBP.
    pub fp: u64,
    /// RBX, R12, R13, R14, R15.
    pub callee_saved: [u64; CALLEE_SAVED],
}

/// The way out of a function that is entered by C's rules and calls Go
/// (`crosscall2`, `sigtramp`): where the caller's registers are, as offsets from
/// the frame pointer of the Go function that it called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    sp: i16,
    fp: i16,
    callee_saved: [i16; CALLEE_SAVED],
}

impl Leave {
    /// Reads the way out from the code behind the call. None: it does something
    /// else than give registers back and return.
    ///
    /// `function` is the code of the whole function, the call ends at `call_end`. (The rest is for other processors.)
    pub fn compile(
        function: &[u8],
        call_end: usize,
        _entry: u64,
        _read: impl Fn(u64, &mut [u8]) -> bool,
    ) -> Option<Leave> {
        let mut code = function.get(call_end..)?;
        // The callee's frame: [fp] is the frame pointer that it was called with, [fp + 8] the return address.
        let mut sp: i32 = 16;
        let mut saved = [None; 16];
        saved[RBP] = Some(0);
        for _ in 0..64 {
            let len = match *code {
                [0xc3, ..] => return Leave::from_offsets(sp + 8, &saved),
                [0x48, 0x83, 0xc4, value, ..] => {
                    sp += value as i8 as i32; // add rsp, imm8
                    4
                }
                [0x48, 0x83, 0xec, value, ..] => {
                    sp -= value as i8 as i32; // sub rsp, imm8: the assembler's way to add 128
                    4
                }
                [0x48, 0x81, 0xc4, a, b, c, d, ..] => {
                    sp = sp.checked_add(i32::from_le_bytes([a, b, c, d]))?; // add rsp, imm32
                    7
                }
                [0x48, 0x8d, 0x64, 0x24, value, ..] => {
                    sp += value as i8 as i32; // lea rsp, [rsp + disp8]
                    5
                }
                [0x41, pop @ 0x58..=0x5f, ..] => {
                    saved[pop as usize - 0x58 + 8] = Some(sp);
                    sp += 8;
                    2
                }
                [pop @ 0x58..=0x5f, ..] if pop != 0x5c => {
                    saved[pop as usize - 0x58] = Some(sp);
                    sp += 8;
                    1
                }
                _ => {
                    let load = StackOperand::decode(code, 0x8b)?;
                    saved[load.register] = Some(sp.checked_add(load.offset)?);
                    load.len
                }
            };
            if !(0..REACH_BYTES).contains(&sp) {
                return None;
            }
            code = code.get(len..)?;
        }
        None
    }

    fn from_offsets(sp: i32, saved: &[Option<i32>; 16]) -> Option<Leave> {
        // Below the callee's frame nothing of the caller can be: what lies there was left by other calls.
        let offset = |register: usize| match saved[register] {
            Some(offset @ 0..REACH_BYTES) if offset % 8 == 0 && offset < sp - 8 => Some(offset as i16),
            _ => None,
        };
        let mut callee_saved = [0; CALLEE_SAVED];
        for (slot, number) in callee_saved.iter_mut().zip(CALLEE_SAVED_NUMBERS) {
            *slot = offset(number)?;
        }
        Some(Leave {
            sp: (sp % 8 == 0).then_some(sp as i16)?,
            fp: offset(RBP)?,
            callee_saved,
        })
    }

    /// The caller's registers; `fp` is the frame pointer of the Go function that was called.
    #[inline]
    pub fn apply(&self, fp: u64) -> Option<Caller> {
        let sp = fp.wrapping_add(self.sp as u64);
        // What is read is no longer than a page, so it lies in these two.
        let is_readable = fp & 7 == 0 && is_page_readable(fp) && is_page_readable(sp.wrapping_sub(8));
        if !is_readable {
            return None;
        }
        // SAFETY: every offset is a word's, between the two that can be read.
        let at = |offset: i16| unsafe { (fp.wrapping_add(offset as u64) as *const u64).read_volatile() };
        Some(Caller {
            pc: at(self.sp - 8),
            sp,
            fp: at(self.fp),
            callee_saved: self.callee_saved.map(at),
        })
    }
}

/// Where asmcgocall finds the goroutine again after its call of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// It was called on a goroutine's stack, which may have moved since: the stack holds
    /// the goroutine `g`, and how deep below its stack's upper end (`[g + high]`) the frame lies.
    Goroutine {
        /// Offset of the slot that holds g from the stack pointer after the return.
        g: i16,
        /// Offset of `stack.hi` in g; `stack.lo` is the word before.
        high: i16,
        /// Offset of the slot that holds the depth.
        depth: i16,
    },
    /// It was called on a system stack, and stays there.
    SystemStack {
        /// Offset of the slot that holds the stack pointer of asmcgocall's frame.
        frame: i16,
    },
}

impl Return {
    /// Reads what asmcgocall does behind one of its calls. None: this is another call.
    pub fn compile(code: &[u8]) -> Option<Return> {
        const RSI: usize = 6;
        const RDI: usize = 7;
        let code = match *code {
            // get_tls(CX) where the slot's offset is not known to the compiler: mov rcx, [rip + disp32]; the linker
            // relaxes it in a PIE to mov rcx, imm32.
            [0x48, 0x8b, 0x0d, ..] | [0x48, 0xc7, 0xc1, ..] => code.get(7..)?,
            _ => code,
        };
        let first = StackOperand::decode(code, 0x8b)?;
        if first.register == RSI {
            return Some(Return::SystemStack { frame: first.slot()? });
        }
        let code = code.get(first.len..)?;
        // mov rsi, [rdi + disp8]
        let high = match *code {
            [0x48, 0x8b, 0x77, high @ 8..=0x78, ..] if first.register == RDI && high % 8 == 0 => high as i16,
            _ => return None,
        };
        let subtract = StackOperand::decode(code.get(4..)?, 0x2b)?;
        if subtract.register != RSI {
            return None;
        }
        Some(Return::Goroutine {
            g: first.slot()?,
            high,
            depth: subtract.slot()?,
        })
    }
}

/// The caller of a Go function that was interrupted where the stack pointer was `depth` bytes below the return address.
pub fn caller_of_interrupted(depth: u64, at: &Registers) -> Option<InterruptedCaller> {
    let ret_at = at.sp.checked_add(depth)?;
    let frame = ret_at.checked_sub(8)?;
    Some(InterruptedCaller {
        ret: load_u64(ret_at)?,
        frame,
        // Functions with a frame save their caller's right below the return address, and then point there; around
        // duffzero and duffcopy Go 1.21 points below its own stack pointer instead.
        fp: match at.fp == frame || depth >= 8 && at.fp < at.sp {
            true => load_u64(frame)?,
            false => at.fp,
        },
        has_frame: true,
    })
}

/// How far below asmcgocall's stack pointer its frame pointer is.
pub const FRAME_BELOW_STACK_POINTER: u64 = 0;

/// The frame pointer of the caller of the Go function whose frame pointer is `fp`; `saved` lies at `[fp]`.
#[inline(always)]
pub fn caller_frame(_fp: u64, saved: u64) -> u64 {
    saved
}

/// The stack pointer of a Go function's caller after the return; `fp` is the
/// function's frame pointer, and `code` would read from its start.
#[inline(always)]
pub fn stack_pointer_above(fp: u64, _code: impl FnOnce(&mut [u8]) -> bool) -> Option<u64> {
    fp.checked_add(16)
}

/// `op r64, [rsp + offset]`, as Go's assembler writes it.
struct StackOperand {
    register: usize,
    offset: i32,
    len: usize,
}

impl StackOperand {
    fn decode(code: &[u8], opcode: u8) -> Option<StackOperand> {
        let (rex, modrm) = match *code {
            [rex @ (0x48 | 0x4c), op, modrm, 0x24, ..] if op == opcode && modrm & 7 == 4 => (rex, modrm),
            _ => return None,
        };
        let (offset, len) = match (modrm >> 6, code.get(4..)?) {
            (0, _) => (0, 4),
            (1, [value, ..]) => (*value as i8 as i32, 5),
            (2, [a, b, c, d, ..]) => (i32::from_le_bytes([*a, *b, *c, *d]), 8),
            _ => return None,
        };
        let register = (modrm >> 3 & 7 | (rex & 4) << 1) as usize;
        Some(StackOperand {
            register,
            offset,
            len,
        })
    }

    /// The offset of a word above the stack pointer.
    fn slot(&self) -> Option<i16> {
        (0..REACH_BYTES)
            .contains(&self.offset)
            .then_some(self.offset as i16)
            .filter(|offset| offset % 8 == 0)
    }
}

/// Calls `each` with the offset behind every call instruction (or what looks
/// like one: its bytes may also be part of another instruction).
pub fn for_each_call(code: &[u8], mut each: impl FnMut(usize)) {
    for at in 0..code.len() {
        let len = match code[at..] {
            [0xe8, ..] => 5,       // call rel32
            [0xff, 0xd0, ..] => 2, // call rax
            [0xff, 0x15, ..] => 6, // call [rip + disp32]: through the GOT
            _ => continue,
        };
        if at + len < code.len() {
            each(at + len);
        }
    }
}

//! How Go (1.21 to 1.26 were tried) crosses into C and back on aarch64, read from
//! the code of its own assembly functions: what stands behind their call
//! instructions says where the caller's registers and the goroutine's stack
//! pointer were saved. So no table of releases is needed. The code is decoded
//! once, when a runtime is found; walking then adds offsets.
//!
//! A Go function with a frame of N bytes lies at [SP, SP + N): its return address is
//! at [SP], its caller's x29 at [SP − 8], and x29 is SP − 8. So `[x29]` and `[x29 + 8]`
//! are what they are on other processors, but the caller's SP is x29 + 8 + N.
//!
//! Sources: SAVE_R19_TO_R28 in runtime/cgo/abi_arm64.h, crosscall2 in
//! runtime/cgo/asm_arm64.s, asmcgocall and cgocallback in runtime/asm_arm64.s,
//! sigtramp in runtime/sys_linux_arm64.s, the prologues in
//! cmd/internal/obj/arm64/obj7.go.

use super::{code_address, Registers};
use crate::go::InterruptedCaller;
use crate::memory::load_u64;

/// How many callee-saved registers there are besides x29 and x30.
pub const CALLEE_SAVED: usize = 10;

const X19: usize = 19;
const X29: usize = 29;
const X30: usize = 30;
const SP: u32 = 31;

/// How far from the callee's frame the caller's registers are looked for.
const REACH_BYTES: i32 = 4096;

/// The caller of a Go function that was interrupted where its frame had `depth` bytes.
pub fn caller_of_interrupted(depth: u64, at: &Registers) -> Option<InterruptedCaller> {
    let frame = at.sp.checked_sub(8)?;
    let has_frame = depth != 0;
    // For a call of duffzero or duffcopy, which have no frame, the caller makes one up below its own.
    let is_in_duff_call = at.fp == at.sp.wrapping_sub(24);
    Some(InterruptedCaller {
        // No frame yet, or no more, or it never has one.
        ret: if has_frame {
            load_u64(at.sp)?
        } else {
            code_address(at.lr)
        },
        frame,
        // A prologue points x29 at what it has saved last, an epilogue gives it back first.
        fp: match has_frame {
            true if at.fp == frame || is_in_duff_call => load_u64(frame)?,
            false if is_in_duff_call => frame,
            _ => at.fp,
        },
        has_frame,
    })
}

/// How far below asmcgocall's stack pointer its frame pointer is.
pub const FRAME_BELOW_STACK_POINTER: u64 = 8;

/// How many bytes of asmcgocall's own frame there are.
const ASMCGOCALL_FRAME_BYTES: u64 = 16;

/// The registers of a caller, as they were when it called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its return address.
    pub pc: u64,
    /// The stack pointer after the return.
    pub sp: u64,
    /// x29.
    pub fp: u64,
    /// x19 to x28.
    pub callee_saved: [u64; CALLEE_SAVED],
}

/// The way out of a function that is entered by C's rules and calls Go
/// (`crosscall2`, `sigtramp`): where the caller's registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// The offsets count from the frame pointer of this function itself, not from that of the one that it called.
    has_frame: bool,
    sp: i16,
    fp: i16,
    pc: i16,
    callee_saved: [i16; CALLEE_SAVED],
}

impl Leave {
    /// Reads the way out from the code behind a call. None: it does something
    /// else than give registers back and return.
    ///
    /// `function` is the code of the whole function, which lies at `entry`; the call ends
    /// at `call_end` in it. `read` reads other code.
    pub fn compile(
        function: &[u8],
        call_end: usize,
        entry: u64,
        read: impl Fn(u64, &mut [u8]) -> bool,
    ) -> Option<Leave> {
        // str x30, [sp, -N]!; stur x29, [sp, -8]; sub x29, sp, 8
        let mut first = words(function);
        let has_frame = first.next().and_then(pushed_bytes).is_some()
            && [first.next(), first.next()] == [Some(0xf81f_83fd), Some(0xd100_23fd)];
        let mut sp: i32 = 8;
        if !has_frame {
            let call = words(function.get(..call_end)?).last()?;
            let mut callee = [0; PROLOGUE_BYTES];
            let target = entry
                .wrapping_add(call_end as u64 - 4)
                .wrapping_add_signed(branch(call)?);
            let frame = read(target, &mut callee).then(|| frame_bytes(&callee))??;
            sp += i32::try_from(frame).ok()?;
        }
        let mut saved = [None; 32];
        for code in words(function.get(call_end..)?).take(64) {
            if code == 0xd65f_03c0 {
                return Leave::from_offsets(has_frame, sp, &saved); // ret
            }
            if code & 0xffff_f01f == 0xd503_201f {
                continue; // nop, autiasp, bti
            }
            if let Some(bytes) = sp_moved_by(code) {
                sp = sp.checked_add(bytes)?;
            } else {
                let load = Load::decode(code).filter(|load| load.base == SP)?;
                let at = sp.checked_add(load.offset)?;
                for (register, at) in load.registers.into_iter().zip([at, at.checked_add(8)?]) {
                    if let Some(register) = register {
                        saved[register] = Some(at);
                    }
                }
                sp = sp.checked_add(load.sp_moves_by)?;
            }
            if !(0..REACH_BYTES).contains(&sp) {
                return None;
            }
        }
        None
    }

    fn from_offsets(has_frame: bool, sp: i32, saved: &[Option<i32>; 32]) -> Option<Leave> {
        // Below the callee's frame nothing of the caller can be: what lies there was left by other calls.
        let offset = |register: usize| match saved[register] {
            Some(offset @ 0..REACH_BYTES) if offset % 8 == 0 && offset < sp => Some(offset as i16),
            _ => None,
        };
        let mut callee_saved = [0; CALLEE_SAVED];
        for (slot, number) in callee_saved.iter_mut().zip(X19..) {
            *slot = offset(number)?;
        }
        Some(Leave {
            has_frame,
            sp: (sp % 8 == 0).then_some(sp as i16)?,
            fp: offset(X29)?,
            pc: offset(X30)?,
            callee_saved,
        })
    }

    /// The caller's registers; `fp` is the frame pointer of the Go function that was called.
    #[inline]
    pub fn apply(&self, fp: u64) -> Option<Caller> {
        let base = if self.has_frame { load_u64(fp)? } else { fp };
        if base < fp {
            return None;
        }
        let at = |offset: i16| load_u64(base.wrapping_add(offset as u64));
        let mut callee_saved = [0; CALLEE_SAVED];
        for (register, offset) in callee_saved.iter_mut().zip(self.callee_saved) {
            *register = at(offset)?;
        }
        Some(Caller {
            pc: code_address(at(self.pc)?),
            sp: base.wrapping_add(self.sp as u64),
            fp: at(self.fp)?,
            callee_saved,
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

/// What a register holds behind asmcgocall's call.
#[derive(Clone, Copy)]
enum Value {
    Other,
    /// What lies at SP + offset.
    Slot(i16),
    /// What lies at an offset in the structure that the slot points to.
    Field {
        slot: i16,
        offset: i16,
    },
    /// A field less a slot.
    Difference {
        slot: i16,
        offset: i16,
        depth: i16,
    },
}

impl Return {
    /// Reads what asmcgocall does behind one of its calls, up to where it sets the stack
    /// pointer. None: this is another call.
    pub fn compile(code: &[u8]) -> Option<Return> {
        let mut values = [Value::Other; 32];
        for code in words(code).take(16) {
            let (target, source) = ((code & 31) as usize, (code >> 5 & 31) as usize);
            let other = (code >> 16 & 31) as usize;
            if code & 0xffff_fc1f == 0x9100_001f {
                // mov sp, x
                return match values[source] {
                    Value::Slot(frame) => Some(Return::SystemStack { frame }),
                    Value::Difference { slot, offset, depth } => Some(Return::Goroutine {
                        g: slot,
                        high: offset,
                        depth,
                    }),
                    _ => None,
                };
            } else if code & 0xffe0_ffe0 == 0xaa00_03e0 {
                values[target] = values[other]; // mov x, x
            } else if branch(code).is_some() {
                // save_g, which leaves g (x28) alone.
                for (_, value) in values.iter_mut().enumerate().filter(|(number, _)| *number != 28) {
                    *value = Value::Other;
                }
            } else if code & 0xffe0_fc00 == 0xcb00_0000 {
                values[target] = match (values[source], values[other]) {
                    (Value::Field { slot, offset }, Value::Slot(depth)) => {
                        Value::Difference { slot, offset, depth } // sub x, x, x
                    }
                    _ => Value::Other,
                };
            } else {
                let load = Load::decode(code).filter(|load| load.sp_moves_by == 0)?;
                let [Some(target), None] = load.registers else {
                    return None;
                };
                let offset = (0..REACH_BYTES)
                    .contains(&load.offset)
                    .then_some(load.offset as i16)?;
                values[target] = match values[load.base as usize] {
                    _ if load.base == SP => Value::Slot(offset),
                    Value::Slot(slot) if offset >= 8 => Value::Field { slot, offset },
                    _ => Value::Other,
                };
            }
        }
        None
    }
}

/// The frame pointer of the caller of the Go function whose frame pointer is `fp`; `saved` lies at `[fp]`.
///
/// On a system stack asmcgocall keeps its own stack pointer where it has saved x29; that
/// pointer is 8 above `fp`, where no caller's frame can be. Its caller's is as far above as its frame is long.
#[inline(always)]
pub fn caller_frame(fp: u64, saved: u64) -> u64 {
    if saved == fp.wrapping_add(FRAME_BELOW_STACK_POINTER) {
        fp.wrapping_add(ASMCGOCALL_FRAME_BYTES)
    } else {
        saved
    }
}

/// The stack pointer of a Go function's caller after the return; `fp` is the
/// function's frame pointer, and `code` reads from its start.
pub fn stack_pointer_above(fp: u64, code: impl FnOnce(&mut [u8]) -> bool) -> Option<u64> {
    let mut prologue = [0; PROLOGUE_BYTES];
    let frame = code(&mut prologue).then(|| frame_bytes(&prologue))??;
    fp.checked_add(8 + frame as u64)
}

/// How much of a function is looked at for its prologue: a check of the stack's depth may come first.
const PROLOGUE_BYTES: usize = 64;

/// The size of a Go function's frame, by its prologue.
fn frame_bytes(code: &[u8]) -> Option<u32> {
    words(code).find_map(|code| {
        // Larger frames: sub x20, sp, N; stp x29, x30, [x20, -8]; mov sp, x20
        let is_large = code & 0xff80_03ff == 0xd100_03f4;
        let large = is_large.then_some((code >> 10 & 0xfff) << (12 * (code >> 22 & 1)));
        pushed_bytes(code).or(large)
    })
}

/// N of `str x30, [sp, -N]!`.
fn pushed_bytes(code: u32) -> Option<u32> {
    let offset = signed(code >> 12, 9);
    (code & 0xffe0_0fff == 0xf800_0ffe && offset < 0).then_some(-offset as u32)
}

/// How far `bl` leads, in bytes.
fn branch(code: u32) -> Option<i64> {
    (code >> 26 == 0b100101).then_some(signed(code, 26) as i64 * 4)
}

/// What `add sp, sp, N` and `sub sp, sp, N` add to the stack pointer.
fn sp_moved_by(code: u32) -> Option<i32> {
    let bytes = (code >> 10 & 0xfff) as i32;
    match code & 0xffc0_03ff {
        0x9100_03ff => Some(bytes),
        0x9140_03ff => Some(bytes << 12),
        0xd100_03ff => Some(-bytes),
        _ => None,
    }
}

/// The low `bits` bits of a word, as a signed number.
fn signed(word: u32, bits: u32) -> i32 {
    (word << (32 - bits)) as i32 >> (32 - bits)
}

/// A load of one or two 64-bit registers.
struct Load {
    /// None: a floating-point register, or there is no second one.
    registers: [Option<usize>; 2],
    base: u32,
    offset: i32,
    /// By how much it changes the base afterwards, which then is the stack pointer.
    sp_moves_by: i32,
}

impl Load {
    fn decode(code: u32) -> Option<Load> {
        let (first, second) = ((code & 31) as usize, (code >> 10 & 31) as usize);
        let (pair_offset, offset) = (signed(code >> 15, 7) * 8, signed(code >> 12, 9));
        let base = code >> 5 & 31;
        let (registers, offset, sp_moves_by) = match code & 0xffc0_0000 {
            0xa940_0000 => ([Some(first), Some(second)], pair_offset, 0), // ldp x, x, [b, i]
            0xa8c0_0000 => ([Some(first), Some(second)], 0, pair_offset), // ldp x, x, [b], i
            0x6d40_0000 => ([None, None], pair_offset, 0),                // ldp d, d, [b, i]
            0x6cc0_0000 => ([None, None], 0, pair_offset),                // ldp d, d, [b], i
            0xf940_0000 => ([Some(first), None], (code >> 10 & 0xfff) as i32 * 8, 0), // ldr x, [b, i]
            _ => match code & 0xffe0_0c00 {
                0xf840_0000 => ([Some(first), None], offset, 0), // ldur x, [b, i]
                0xf840_0400 => ([Some(first), None], 0, offset), // ldr x, [b], i
                _ => return None,
            },
        };
        (sp_moves_by == 0 || base == SP).then_some(Load {
            registers,
            base,
            offset,
            sp_moves_by,
        })
    }
}

/// The instructions of some code.
fn words(code: &[u8]) -> impl Iterator<Item = u32> + '_ {
    code.chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

/// Calls `each` with the offset behind every call instruction.
pub fn for_each_call(code: &[u8], mut each: impl FnMut(usize)) {
    for (index, word) in words(code).enumerate() {
        let is_call = branch(word).is_some() || word & 0xffff_fc1f == 0xd63f_0000; // blr x
        let end = 4 * index + 4;
        if is_call && end < code.len() {
            each(end);
        }
    }
}

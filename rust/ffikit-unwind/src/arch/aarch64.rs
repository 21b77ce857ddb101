//! Linux on aarch64, AAPCS64.
//!
//! A call leaves its return address in x30, so a frame may or may not have saved
//! it, and a leaf that was interrupted has not. Return addresses may be signed
//! (pointer authentication); what leaves this module is stripped.

use super::crossing::Caller;
use crate::cfi::{Cfa, Row, Saved};
use crate::memory::copy;
use crate::walk::End;
use core::arch::asm;

/// Makes a system call of up to four arguments; the result is negative errno on failure.
///
/// # Safety
/// As the system call demands.
#[inline(always)]
pub unsafe fn syscall4(number: i64, a: usize, b: usize, c: usize, d: usize) -> isize {
    // SAFETY: the caller's promise; registers that are not arguments are not looked at.
    unsafe { syscall6(number, a, b, c, d, 0, 0) }
}

/// Makes a system call of six arguments; the result is negative errno on failure.
///
/// # Safety
/// As the system call demands.
#[inline(always)]
pub unsafe fn syscall6(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    let result: isize;
    // SAFETY: the kernel preserves all registers but x0; the rest is the caller's promise.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a as isize => result, in("x1") b, in("x2") c,
            in("x3") d, in("x4") e, in("x5") f, options(nostack));
    }
    result
}

/// Code addresses are multiples of 1 << this.
pub(crate) const CODE_SHIFT: u32 = 2;

/// Whose extensions of CFI are known: that return addresses are signed.
pub(crate) const VENDOR: gimli::Vendor = gimli::Vendor::AArch64;

/// The address that a saved return address stands for: without its signature, if it has one.
#[inline(always)]
pub(crate) fn code_address(return_address: u64) -> u64 {
    let mut address = return_address;
    // SAFETY: XPACLRI changes x30 only. The processor knows which bits are the signature (that depends on
    // the kernel's configuration); one without signatures takes this for a NOP.
    unsafe { asm!("hint #7", inout("x30") address, options(pure, nomem, nostack, preserves_flags)) };
    address
}

/// DWARF's numbers of the registers that the walk follows.
pub(crate) mod dwarf {
    pub(crate) const X19: u16 = 19;
    pub(crate) const X28: u16 = 28;
    pub(crate) const X29: u16 = 29;
    pub(crate) const X30: u16 = 30;
    pub(crate) const SP: u16 = 31;
}

/// The registers that a stack is walked by: where a thread is, and what its
/// callers may want back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// The program counter.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// x29.
    pub fp: u64,
    /// x30. It counts in the leaf and in frames that were interrupted only.
    pub lr: u64,
    /// x19 to x28.
    pub saved: [u64; 10],
}

impl Registers {
    /// Those of the function that this is inlined into, here. It must not be the
    /// end of a function that returns the result: the frame has to stay alive.
    #[inline(always)]
    pub fn here() -> Registers {
        let mut registers = Registers::default();
        // SAFETY: reads registers only. `saved` is written through its pointer.
        unsafe {
            asm!(
                "stp x19, x20, [{saved}]",
                "stp x21, x22, [{saved}, 16]",
                "stp x23, x24, [{saved}, 32]",
                "stp x25, x26, [{saved}, 48]",
                "stp x27, x28, [{saved}, 64]",
                "mov {sp}, sp",
                "mov {fp}, x29",
                "mov {lr}, x30",
                "adr {pc}, .",
                saved = in(reg) registers.saved.as_mut_ptr(),
                sp = out(reg) registers.sp,
                fp = out(reg) registers.fp,
                lr = out(reg) registers.lr,
                pc = out(reg) registers.pc,
                options(nostack, preserves_flags),
            );
        }
        registers
    }

    /// By DWARF number; None for those that a call does not preserve.
    pub(crate) fn get(&self, number: u16) -> Option<u64> {
        Some(match number {
            dwarf::X19..=dwarf::X28 => self.saved[(number - dwarf::X19) as usize],
            dwarf::X29 => self.fp,
            dwarf::SP => self.sp,
            _ => return None,
        })
    }

    /// Sets a callee-saved register by DWARF number; others are passed over.
    pub(crate) fn set(&mut self, number: u16, value: u64) {
        match number {
            dwarf::X19..=dwarf::X28 => self.saved[(number - dwarf::X19) as usize] = value,
            dwarf::X29 => self.fp = value,
            _ => {}
        }
    }

    /// The caller's registers, where a call went to what is no code.
    pub(crate) fn before_wild_jump(&self, _load: impl Fn(u64) -> Option<u64>) -> Option<Registers> {
        Some(Registers {
            pc: code_address(self.lr),
            ..*self
        })
    }

    /// The return address, where a frame has not saved it: in x30, if no call has changed it since.
    pub(crate) fn unsaved_return_address(&self, key: u64) -> Option<u64> {
        is_exact(key).then_some(self.lr)
    }

    pub(crate) const STACK_POINTER: u16 = dwarf::SP;

    /// DWARF numbers of the registers that a call preserves, the stack pointer aside.
    pub(crate) const PRESERVED: [u16; 11] = [dwarf::X29, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28];

    /// What a signal interrupted: `sp` is the stack pointer inside of the signal
    /// trampoline (`__kernel_rt_sigreturn`), where the kernel left a `struct rt_sigframe`.
    pub(crate) fn interrupted(sp: u64, load: impl Fn(u64) -> Option<u64>) -> Option<Registers> {
        let register = |index: u64| load(register_slot(sp, index)?);
        let mut saved = [0; 10];
        for (value, index) in saved.iter_mut().zip(19..) {
            *value = register(index)?;
        }
        Some(Registers {
            pc: register(32)?,
            sp: register(31)?,
            fp: register(29)?,
            lr: register(30)?,
            saved,
        })
    }

    /// A register that calls do not preserve, by DWARF number, of what a signal interrupted; `sp` and `load`
    /// as for [`Registers::interrupted`].
    pub(crate) fn interrupted_scratch(
        sp: u64,
        number: u16,
        load: impl Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        match number {
            0..=18 | dwarf::X30 => load(register_slot(sp, number as u64)?),
            _ => None,
        }
    }
}

/// Where a signal frame holds x0 … x30, sp (31) and pc (32): behind siginfo (128 bytes), and in struct ucontext
/// behind uc_flags, uc_link, uc_stack (40), uc_sigmask with what is reserved for it (128), 8 to align, and in struct
/// sigcontext behind fault_address (8).
fn register_slot(sp: u64, index: u64) -> Option<u64> {
    sp.checked_add(128 + 40 + 128 + 8 + 8 + 8 * index)
}

impl From<Caller> for Registers {
    fn from(caller: Caller) -> Registers {
        Registers {
            pc: caller.pc,
            sp: caller.sp,
            fp: caller.fp,
            lr: 0,
            saved: caller.callee_saved,
        }
    }
}

/// Whether a key is that of an interrupted instruction (its address and one more), not a return address.
#[inline(always)]
fn is_exact(key: u64) -> bool {
    key & 3 == 1
}

/// `N` instructions.
fn code_at<const N: usize>(pc: u64) -> Option<[u32; N]> {
    let mut code = [[0; 4]; N];
    copy(pc, code.as_flattened_mut()).then(|| code.map(u32::from_le_bytes))
}

/// Whether the code at `pc` is a signal trampoline: `mov x8, #139; svc #0`
/// (rt_sigreturn; the kernel's vDSO, musl's, qemu's).
pub(crate) fn is_signal_trampoline(pc: u64) -> bool {
    code_at(pc) == Some([0xd280_1168, 0xd400_0001])
}

/// Whether the rule for `key` is that of a signal trampoline: a handler returns to it, or another
/// signal interrupted it at one of its two instructions.
fn is_in_signal_trampoline(key: u64) -> bool {
    if is_exact(key) {
        is_signal_trampoline(key - 1) || is_signal_trampoline(key.wrapping_sub(5))
    } else {
        is_signal_trampoline(key)
    }
}

/// Whether the code at `pc` is an entry of a PLT: with and without BTI,
/// `adrp x16; ldr x17, [x16, …]; add x16, x16, …; br x17`. It moves neither x30 nor sp, and has no CFI.
fn is_in_plt_entry(pc: u64) -> bool {
    // What is still to come of it, from its first instruction or a later one.
    for at in 0..5 {
        let Some([code]) = code_at(pc.wrapping_add(4 * at)) else {
            return false;
        };
        let is_part = code == 0xd503_245f // bti c
            || code & 0x9f00_001f == 0x9000_0010 // adrp x16
            || code & 0xffc0_03ff == 0xf940_0211 // ldr x17, [x16, imm]
            || code & 0xffc0_03ff == 0x9100_0210; // add x16, x16, imm
        if !is_part {
            return code == 0xd61f_0220; // br x17
        }
    }
    false
}

/// What a [`Rule`] says to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The outermost frame.
    Outermost,
    /// Needs more registers than the fast walk follows.
    Slow,
    /// Go code: by frame pointers.
    Go,
    /// A signal trampoline.
    Signal,
    /// CFA = SP + offset, the return address still in x30: [`Rule::special`].
    Special,
    /// No way on from here.
    Failing(End),
}

/// How to get from a return address to its caller, in one word:
///
/// ```text
/// bits  0..3   kind: 0 CFA = SP + offset, 1 CFA = x29 + offset, 2… see Step
/// bits  3..21  that offset / 8 (so the low 21 bits, the kind cleared, are the offset); for Failing: the reason
/// bits 21..34  bits of the address that the place in the cache does not say
/// bits 34..49  where the return address lies, / 8, signed, from the CFA
/// bits 49..64  where the caller's x29 lies, / 8, signed, from the CFA; 0: it is still in x29
/// ```
/// The caller's SP is the CFA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule(u64);

const OFFSET_MASK: u64 = 0x1f_fff8;
const TAG_SHIFT: u32 = 21;
const TAG_MASK: u64 = 0x1fff;
const RETURN_SHIFT: u32 = 34;
const FP_SHIFT: u32 = 49;
const SLOT_BITS: u32 = 15;

const OUTERMOST: u64 = 2;
const SLOW: u64 = 3;
const GO: u64 = 4;
const SIGNAL: u64 = 5;
const LEAF: u64 = 6;
const FAILING: u64 = 7;

/// Rules of the same place in the cache differ in bits 18 and up, or in that one is for an interrupted instruction.
#[inline(always)]
fn tag(pc: u64) -> u64 {
    (pc >> 17 & TAG_MASK & !1) | pc & 1
}

impl Rule {
    #[inline(always)]
    pub(crate) fn from_bits(bits: u64) -> Rule {
        Rule(bits)
    }

    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(crate) fn is_for(self, pc: u64) -> bool {
        (self.0 >> TAG_SHIFT ^ tag(pc)) & TAG_MASK == 0
    }

    /// CFA by SP or x29, both registers saved near it or x29 not at all: what nearly every frame is.
    #[inline(always)]
    pub(crate) fn is_plain(self) -> bool {
        self.0 & 6 == 0
    }

    /// The CFA; for a plain rule.
    #[inline(always)]
    pub(crate) fn cfa(self, sp: u64, fp: u64) -> u64 {
        let mut base = sp;
        if self.0 & 1 != 0 {
            base = fp;
            // SAFETY: nothing at all. It keeps this a branch, as on x86-64.
            unsafe { asm!("", options(nomem, nostack, preserves_flags)) };
        }
        base.wrapping_add(self.0 & OFFSET_MASK)
    }

    /// Where the return address lies, from the CFA, in bytes.
    #[inline(always)]
    pub(crate) fn return_offset(self) -> i64 {
        ((self.0 << (FP_SHIFT - RETURN_SHIFT)) as i64 >> FP_SHIFT) * 8
    }

    /// Where the caller's x29 lies, from the CFA, in bytes; 0: it was not saved.
    #[inline(always)]
    pub(crate) fn fp_offset(self) -> i64 {
        (self.0 as i64 >> FP_SHIFT) * 8
    }

    /// What to do where the rule is not plain.
    pub(crate) fn step(self) -> Step {
        match self.0 & 7 {
            OUTERMOST => Step::Outermost,
            GO => Step::Go,
            SIGNAL => Step::Signal,
            LEAF => Step::Special,
            FAILING => Step::Failing(End::from_code((self.0 & OFFSET_MASK) as u32 >> 3)),
            _ => Step::Slow,
        }
    }

    /// Whether special rules are for leaves, whose caller's frame may start where theirs does.
    pub(crate) const SPECIAL_IS_LEAF: bool = true;

    /// The caller's registers, by a rule whose step is [`Step::Special`].
    pub(crate) fn special(self, at: &Registers, load: impl Fn(u64) -> Option<u64>) -> Option<Registers> {
        let cfa = at.sp.wrapping_add(self.0 & OFFSET_MASK);
        let fp = match self.fp_offset() {
            0 => at.fp,
            offset => load(cfa.wrapping_add_signed(offset))?,
        };
        Some(Registers {
            pc: code_address(at.lr),
            sp: cfa,
            fp,
            ..*at
        })
    }

    /// The rule where the tables have none. The kernel's signal trampoline has no CFI since Linux 5.9, qemu's lies in
    /// no module, and entries of a PLT never have any.
    pub(crate) fn without_cfi(pc: u64, end: End) -> Option<Rule> {
        if !matches!(end, End::NoCfi | End::UnknownCode) {
            return None;
        }
        if is_in_signal_trampoline(pc) {
            return Some(Rule::new(SIGNAL, pc));
        }
        let is_leaf = end == End::NoCfi && is_exact(pc) && is_in_plt_entry(pc - 1);
        is_leaf.then(|| Rule::new(LEAF, pc))
    }

    fn new(kind: u64, pc: u64) -> Rule {
        Rule(kind | tag(pc) << TAG_SHIFT)
    }

    pub(crate) fn go(pc: u64) -> Rule {
        Rule::new(GO, pc)
    }

    pub(crate) fn failing(pc: u64, end: End) -> Rule {
        Rule(Rule::new(FAILING, pc).0 | (end.code() as u64) << 3)
    }

    fn with_offsets(kind: u64, pc: u64, cfa_offset: i64, return_offset: i64, fp_offset: i64) -> Option<Rule> {
        let is_slot = |offset: i64| offset & 7 == 0 && offset >> (SLOT_BITS + 2) == offset >> 63;
        let fits = cfa_offset as u64 & !OFFSET_MASK == 0 && is_slot(return_offset) && is_slot(fp_offset);
        fits.then(|| {
            let slot = |offset: i64| (offset / 8) as u64 & ((1 << SLOT_BITS) - 1);
            Rule(
                Rule::new(kind, pc).0
                    | cfa_offset as u64
                    | slot(return_offset) << RETURN_SHIFT
                    | slot(fp_offset) << FP_SHIFT,
            )
        })
    }

    /// Packs what the tables say of the return address `pc`.
    pub(crate) fn pack(row: &Row<'_>, pc: u64) -> Result<Rule, End> {
        let slow = Ok(Rule::new(SLOW, pc));
        let is_over = matches!(
            row.cfa()?,
            Cfa::Register {
                number: dwarf::SP,
                offset: 0
            }
        );
        let return_offset = match row.return_address()? {
            Saved::Undefined => return Ok(Rule::new(OUTERMOST, pc)),
            // At clang's autiasp the frame is given up and its registers are back; the tables still name their places
            // below SP, where the signal's own frame lies now.
            Saved::At(_) if is_over && is_exact(pc) => return Ok(Rule::new(LEAF, pc)),
            _ if row.is_signal_frame && is_in_signal_trampoline(pc) => return Ok(Rule::new(SIGNAL, pc)),
            Saved::At(offset) if offset != 0 => Some(offset),
            Saved::Same if is_exact(pc) => None,
            // It has made a call, and the tables say that this did not change x30.
            Saved::Same => return Err(End::CorruptCfi),
            _ => return slow,
        };
        let (kind, cfa_offset) = match (row.cfa()?, return_offset) {
            (
                Cfa::Register {
                    number: dwarf::SP,
                    offset,
                },
                None,
            ) => (LEAF, offset),
            (
                Cfa::Register {
                    number: dwarf::SP,
                    offset,
                },
                _,
            ) => (0, offset),
            (
                Cfa::Register {
                    number: dwarf::X29,
                    offset,
                },
                Some(_),
            ) => (1, offset),
            _ => return slow,
        };
        let fp_offset = match row.saved(dwarf::X29)? {
            Saved::Same | Saved::Undefined => 0,
            Saved::At(offset) if offset != 0 => offset,
            _ => return slow,
        };
        let rule = Rule::with_offsets(kind, pc, cfa_offset, return_offset.unwrap_or(0), fp_offset);
        rule.map_or(slow, Ok)
    }
}

#[cfg(test)]
#[path = "aarch64_tests.rs"]
mod tests;

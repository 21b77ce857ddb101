//! Linux on x86-64, System V ABI.

use super::crossing::Caller;
use crate::cfi::{evaluate, Cfa, Row, Saved};
use crate::walk::End;
use core::arch::asm;

/// Makes a system call of up to four arguments; the result is negative errno on failure.
///
/// # Safety
/// As the system call demands.
#[inline(always)]
pub unsafe fn syscall4(number: i64, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the kernel clobbers rcx and r11 only; the rest is the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Makes a system call of six arguments; the result is negative errno on failure.
///
/// # Safety
/// As the system call demands.
#[inline(always)]
pub unsafe fn syscall6(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    let result: isize;
    // SAFETY: as in syscall4.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Code addresses are multiples of 1 << this.
pub(crate) const CODE_SHIFT: u32 = 0;

/// Whose extensions of CFI are known.
pub(crate) const VENDOR: gimli::Vendor = gimli::Vendor::Default;

/// The address that a saved return address stands for: here, itself.
#[inline(always)]
pub(crate) fn code_address(return_address: u64) -> u64 {
    return_address
}

/// DWARF's numbers of the registers that the walk follows.
pub(crate) mod dwarf {
    pub(crate) const RBX: u16 = 3;
    pub(crate) const RBP: u16 = 6;
    pub(crate) const RSP: u16 = 7;
    pub(crate) const R12: u16 = 12;
    pub(crate) const R15: u16 = 15;
    pub(crate) const RIP: u16 = 16;
}

/// The registers that a stack is walked by: where a thread is, and what its
/// callers may want back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// The instruction pointer.
    pub pc: u64,
    /// The stack pointer, RSP.
    pub sp: u64,
    /// RBP.
    pub fp: u64,
    /// RBX, R12, R13, R14, R15.
    pub saved: [u64; 5],
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
                "mov [{saved}], rbx",
                "mov [{saved} + 8], r12",
                "mov [{saved} + 16], r13",
                "mov [{saved} + 24], r14",
                "mov [{saved} + 32], r15",
                saved = in(reg) registers.saved.as_mut_ptr(),
                options(nostack, preserves_flags),
            );
            asm!("lea {}, [rip]", out(reg) registers.pc, options(nostack, nomem, preserves_flags));
            asm!("mov {}, rsp", out(reg) registers.sp, options(nostack, nomem, preserves_flags));
            asm!("mov {}, rbp", out(reg) registers.fp, options(nostack, nomem, preserves_flags));
        }
        registers
    }

    /// By DWARF number; None for those that a call does not preserve.
    pub(crate) fn get(&self, number: u16) -> Option<u64> {
        Some(match number {
            dwarf::RBX => self.saved[0],
            dwarf::RBP => self.fp,
            dwarf::RSP => self.sp,
            dwarf::R12..=dwarf::R15 => self.saved[number as usize - 11],
            dwarf::RIP => self.pc,
            _ => return None,
        })
    }

    /// Sets a callee-saved register by DWARF number; others are passed over.
    pub(crate) fn set(&mut self, number: u16, value: u64) {
        match number {
            dwarf::RBX => self.saved[0] = value,
            dwarf::RBP => self.fp = value,
            dwarf::R12..=dwarf::R15 => self.saved[number as usize - 11] = value,
            _ => {}
        }
    }

    /// The caller's registers, where a call went to what is no code: its return address lies on top.
    pub(crate) fn before_wild_jump(&self, load: impl Fn(u64) -> Option<u64>) -> Option<Registers> {
        Some(Registers {
            pc: load(self.sp)?,
            sp: self.sp.wrapping_add(8),
            ..*self
        })
    }

    /// The return address, where a frame has not saved it: here it always lies on the stack.
    pub(crate) fn unsaved_return_address(&self, _key: u64) -> Option<u64> {
        None
    }

    pub(crate) const STACK_POINTER: u16 = dwarf::RSP;

    /// DWARF numbers of the registers that a call preserves, the stack pointer aside.
    pub(crate) const PRESERVED: [u16; 6] = [dwarf::RBP, dwarf::RBX, 12, 13, 14, 15];

    /// What a signal interrupted: `sp` is the stack pointer inside of the signal
    /// trampoline (`__restore_rt`), where the kernel left a `struct ucontext`.
    pub(crate) fn interrupted(sp: u64, load: impl Fn(u64) -> Option<u64>) -> Option<Registers> {
        // uc_flags, uc_link, uc_stack: 40 bytes; then struct sigcontext: r8 … r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
        let register = |index: u64| load(sp.checked_add(40 + 8 * index)?);
        Some(Registers {
            pc: register(16)?,
            sp: register(15)?,
            fp: register(10)?,
            saved: [
                register(11)?,
                register(4)?,
                register(5)?,
                register(6)?,
                register(7)?,
            ],
        })
    }

    /// A register that calls do not preserve, by DWARF number, of what a signal interrupted; `sp` and `load`
    /// as for [`Registers::interrupted`].
    pub(crate) fn interrupted_scratch(
        sp: u64,
        number: u16,
        load: impl Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        // DWARF counts rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 …; struct sigcontext as said above.
        let index = match number {
            0 => 13,
            1 => 12,
            2 => 14,
            4 => 9,
            5 => 8,
            8..=11 => number as u64 - 8,
            _ => return None,
        };
        load(sp.checked_add(40 + 8 * index)?)
    }
}

impl From<Caller> for Registers {
    fn from(caller: Caller) -> Registers {
        Registers {
            pc: caller.pc,
            sp: caller.sp,
            fp: caller.fp,
            saved: caller.callee_saved,
        }
    }
}

/// Whether the code at `pc` is a signal trampoline: `mov $15, %rax; syscall`, with
/// %rax or %eax (rt_sigreturn; glibc's, musl's, and Go's own).
pub(crate) fn is_signal_trampoline(pc: u64) -> bool {
    let mut code = [0; 9];
    crate::memory::copy(pc, &mut code)
        && (code == [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05]
            || code[..7] == [0xb8, 15, 0, 0, 0, 0x0f, 0x05])
}

/// Whether the rule for `key` is that of a signal trampoline: a handler returns to it, or (one byte more)
/// another signal interrupted it at one of its two instructions. The stack pointer is at the context in all of them.
fn is_in_signal_trampoline(key: u64) -> bool {
    [0, 1, 6, 8]
        .iter()
        .any(|&into| is_signal_trampoline(key.wrapping_sub(into)))
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
    /// CFA = the word at RBP + offset (functions that realign their stack): [`Rule::special`].
    Special,
    /// No way on from here.
    Failing(End),
}

/// How to get from a return address to its caller, in one word:
///
/// ```text
/// bits  0..3   kind: 0 CFA = RSP + offset, 1 CFA = RBP + offset, 2… see Step
/// bits  3..21  that offset / 8 (so the low 21 bits, the kind cleared, are the offset); for Failing: the reason
/// bits 21..48  bits 0..27 of the address, see crate::rules
/// bits 48..64  where the caller's RBP lies, / 8, signed, from the CFA; 0: it is still in RBP (for Realigned: it is at RBP)
/// ```
/// The return address is at CFA − 8, and the caller's RSP is the CFA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule(u64);

const OFFSET_MASK: u64 = 0x1f_fff8;
const TAG_SHIFT: u32 = 21;
const TAG_MASK: u64 = 0x7ff_ffff;
const FP_SHIFT: u32 = 48;

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
        (self.0 >> TAG_SHIFT ^ pc) & TAG_MASK == 0
    }

    /// CFA by RSP or RBP, RBP saved near it: what nearly every frame is.
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
            // SAFETY: nothing at all. It keeps this a branch: predicted, it costs no time, where a conditional move
            // would lengthen the chain from frame to frame, which is what a walk waits for.
            unsafe { asm!("", options(nomem, nostack, preserves_flags)) };
        }
        base.wrapping_add(self.0 & OFFSET_MASK)
    }

    /// Where the caller's RBP lies, from the CFA, in bytes; 0: it was not saved.
    #[inline(always)]
    pub(crate) fn fp_offset(self) -> i64 {
        (self.0 as i64 >> FP_SHIFT) * 8
    }

    /// What to do where the rule is not plain.
    pub(crate) fn step(self) -> Step {
        match self.0 & 7 {
            2 => Step::Outermost,
            4 => Step::Go,
            5 => Step::Signal,
            6 => Step::Special,
            7 => Step::Failing(End::from_code((self.0 & OFFSET_MASK) as u32 >> 3)),
            _ => Step::Slow,
        }
    }

    /// Where the return address lies, from the CFA, in bytes.
    #[inline(always)]
    pub(crate) fn return_offset(self) -> i64 {
        -8
    }

    /// Whether special rules are for leaves, whose caller's frame may start where theirs does.
    pub(crate) const SPECIAL_IS_LEAF: bool = false;

    /// The caller's registers, by a rule whose step is [`Step::Special`].
    pub(crate) fn special(self, at: &Registers, load: impl Fn(u64) -> Option<u64>) -> Option<Registers> {
        // Sign-extends the 18-bit field.
        let offset = (((self.0 & OFFSET_MASK) as i64) << 43) >> 43;
        let cfa = load(at.fp.wrapping_add_signed(offset))?;
        Some(Registers {
            pc: load(cfa.wrapping_sub(8))?,
            sp: cfa,
            fp: load(at.fp)?,
            ..*at
        })
    }

    /// The rule where the tables have none: here every trampoline has CFI.
    pub(crate) fn without_cfi(_pc: u64, _end: End) -> Option<Rule> {
        None
    }

    fn new(kind: u64, pc: u64) -> Rule {
        Rule(kind | (pc & TAG_MASK) << TAG_SHIFT)
    }

    pub(crate) fn go(pc: u64) -> Rule {
        Rule::new(4, pc)
    }

    pub(crate) fn failing(pc: u64, end: End) -> Rule {
        Rule(Rule::new(7, pc).0 | (end.code() as u64) << 3)
    }

    fn with_offsets(kind: u64, pc: u64, cfa_offset: i64, fp_offset: i64) -> Option<Rule> {
        let is_small = |value: i64, bits: u32| value & 7 == 0 && value >> (bits + 2) == value >> 63;
        let fits = is_small(fp_offset, 16)
            && if kind == 6 {
                is_small(cfa_offset, 18)
            } else {
                cfa_offset as u64 & !OFFSET_MASK == 0
            };
        fits.then(|| {
            let offsets = cfa_offset as u64 & OFFSET_MASK | ((fp_offset / 8) as u64) << FP_SHIFT;
            Rule(Rule::new(kind, pc).0 | offsets)
        })
    }

    /// Packs what the tables say of the return address `pc`.
    pub(crate) fn pack(row: &Row<'_>, pc: u64) -> Result<Rule, End> {
        match row.return_address()? {
            Saved::Undefined => return Ok(Rule::new(2, pc)),
            _ if row.is_signal_frame && is_in_signal_trampoline(pc) => return Ok(Rule::new(5, pc)),
            Saved::At(-8) => {}
            _ => return Ok(Rule::new(3, pc)),
        }
        let (kind, offset) = match row.cfa()? {
            Cfa::Register {
                number: dwarf::RSP,
                offset,
            } => (0, offset),
            Cfa::Register {
                number: dwarf::RBP,
                offset,
            } => (1, offset),
            Cfa::Register { .. } => return Ok(Rule::new(3, pc)),
            Cfa::Expression(expression) => match plt_offset(&expression, pc) {
                Some(offset) => (0, offset),
                None => match realigned(&expression) {
                    Some(offset) => (6, offset),
                    None => return Ok(Rule::new(3, pc)),
                },
            },
        };
        let fp_offset = match row.saved(dwarf::RBP)? {
            // Realigned functions save RBP where it then points to.
            Saved::AtExpression(expression) if kind == 6 => (*expression == [DW_OP_BREG6, 0]).then_some(0),
            _ if kind == 6 => None,
            Saved::Same | Saved::Undefined => Some(0),
            Saved::At(offset) if offset != 0 => Some(offset),
            _ => None,
        };
        let rule = fp_offset.and_then(|fp_offset| Rule::with_offsets(kind, pc, offset, fp_offset));
        Ok(rule.unwrap_or(Rule::new(3, pc)))
    }
}

const DW_OP_BREG6: u8 = 0x76;

/// PLT entries have one expression for all: RSP + 8, and 8 more behind the push,
/// by the low bits of RIP. What depends on RSP and RIP alone is RSP + a constant here.
fn plt_offset(expression: &gimli::EndianSlice<'_, gimli::NativeEndian>, pc: u64) -> Option<i64> {
    let at = |sp: u64| {
        evaluate(*expression, None, |number| match number {
            dwarf::RSP => Some(sp),
            dwarf::RIP => Some(pc.wrapping_sub(1)),
            _ => None,
        })
    };
    const ELSEWHERE: u64 = 1 << 40;
    let offset = at(0)?;
    // Reading memory at small addresses fails, so an expression that does is not taken.
    (at(ELSEWHERE)? == offset.wrapping_add(ELSEWHERE)).then_some(offset as i64)
}

/// `DW_OP_breg6 offset; DW_OP_deref`.
fn realigned(expression: &gimli::EndianSlice<'_, gimli::NativeEndian>) -> Option<i64> {
    const DW_OP_DEREF: u8 = 0x06;
    match expression.slice() {
        // A one-byte SLEB128: bit 6 is the sign.
        [DW_OP_BREG6, offset, DW_OP_DEREF] if offset & 0x80 == 0 => Some(((*offset as i8) << 1 >> 1) as i64),
        _ => None,
    }
}

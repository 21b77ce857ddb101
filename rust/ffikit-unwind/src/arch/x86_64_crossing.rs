//! How Go 1.21–1.26 crosses into C and back on x86-64, read from the code of its
//! own assembly functions: what stands behind their call instructions says where
//! the caller's registers and the goroutine's stack pointer were saved. So no
//! table of releases is needed. It is decoded once, when a runtime is found.

use crate::memory::load_u64;

/// How many callee-saved registers there are besides the frame pointer.
pub const CALLEE_SAVED: usize = 5;

/// The registers of a caller in C, as they were when it called.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    sp: i16,
    fp: i16,
    callee_saved: [i16; CALLEE_SAVED],
}

impl Leave {
    /// Reads the way out from the code behind the call.
    pub fn compile(_code: &[u8]) -> Option<Leave> {
        None
    }

    /// The caller's registers; `fp` is the frame pointer of the Go function that was called.
    #[inline]
    pub fn apply(&self, fp: u64) -> Option<Caller> {
        let at = |offset: i16| load_u64(fp.wrapping_add(offset as i64 as u64));
        let sp = fp.wrapping_add(self.sp as i64 as u64);
        let mut callee_saved = [0; CALLEE_SAVED];
        for (register, offset) in callee_saved.iter_mut().zip(self.callee_saved) {
            *register = at(offset)?;
        }
        Some(Caller {
            pc: load_u64(sp.wrapping_sub(8))?,
            sp,
            fp: at(self.fp)?,
            callee_saved,
        })
    }
}

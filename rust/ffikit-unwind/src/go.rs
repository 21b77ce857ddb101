//! The Go runtimes of this process: where their text lies, how their stacks
//! are entered and left, and the names of their functions.

pub use crate::arch::crossing::Caller;
use crate::module::Module;

/// A Go runtime that was found in a loaded module.
pub struct GoRuntime {
    /// `runtime.text`: where its text starts.
    pub text_start: u64,
    /// `runtime.etext`: where its text ends.
    pub text_end: u64,
}

/// Where a goroutine's frames go on below a call into C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoFrame {
    /// The frame pointer of asmcgocall: `[fp]` is its caller's, `[fp + 8]` the return address.
    pub fp: u64,
    /// The goroutine's stack is `[lo, hi)`; both are 0 where asmcgocall did not
    /// switch stacks: then `fp` lies on the stack that the C code runs on.
    pub lo: u64,
    /// The end of the goroutine's stack.
    pub hi: u64,
}

/// The runtime whose text `pc` lies in, among those that were found so far
/// ([`discover`]). Takes no lock.
#[inline]
pub fn runtime_at(_pc: u64) -> Option<&'static GoRuntime> {
    None
}

/// Looks whether a module has a Go runtime, and keeps what it finds. Call it
/// where a module is seen for the first time, and again when the module at an
/// address may be another one. Allocates nothing and takes no lock.
pub fn discover(_module: &Module) -> Option<&'static GoRuntime> {
    None
}

impl GoRuntime {
    /// Whether `ret` is the return address of crosscall2's call into Go.
    #[inline]
    pub fn is_crosscall2(&self, _ret: u64) -> bool {
        false
    }

    /// The registers of crosscall2's caller in C; `[fp + 8]` is the return address that [`Self::is_crosscall2`] knows.
    #[inline]
    pub fn leave_crosscall2(&self, _fp: u64) -> Option<Caller> {
        None
    }

    /// Whether `ret` is a return address inside asmcgocall: use [`Self::goroutine_frame`] there.
    #[inline]
    pub fn is_asmcgocall(&self, _ret: u64) -> bool {
        false
    }

    /// Where the goroutine is that called C through asmcgocall: `ret` is the return address
    /// in asmcgocall, `sp` the stack pointer after that return (the CFA of the outermost C frame).
    /// None: what lies there is no goroutine.
    #[inline]
    pub fn goroutine_frame(&self, _ret: u64, _sp: u64) -> Option<GoFrame> {
        None
    }

    /// Whether `ret` is the return address of sigtramp's call into Go: Go handles a signal, or hands it on.
    #[inline]
    pub fn is_sigtramp(&self, _ret: u64) -> bool {
        false
    }

    /// What sigtramp returns to: `pc` is the signal trampoline, and the kernel's frame
    /// (`ucontext`) is at `sp`; `[fp + 8]` is the return address that [`Self::is_sigtramp`] knows.
    #[inline]
    pub fn leave_sigtramp(&self, _fp: u64) -> Option<Caller> {
        None
    }

    /// Whether `pc` is Go's own signal trampoline (`runtime.sigreturn__sigaction`), as glibc's `__restore_rt`.
    #[inline]
    pub fn is_signal_trampoline(&self, _pc: u64) -> bool {
        false
    }
}

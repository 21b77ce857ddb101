//! The part of the walk that goes through Go: by frame pointers, between the crossings.

use super::{Frame, Walker, IS_EXACT};
use crate::arch::crossing::caller_frame;
use crate::arch::is_signal_trampoline;
use crate::go::{self, GoRuntime};
use crate::walk::End;

/// How often frames may lie below those that they called: stacks are switched, but in one run of Go code not often.
const MAX_DESCENTS: u32 = 8;

/// A frame of Go: its return address, at `fp + 8`, and its caller's frame pointer.
struct GoFrame {
    fp: u64,
    caller_fp: u64,
    ret: u64,
}

impl Walker<'_> {
    /// From a return address in Go code through its frames, until C called it.
    /// Frames of Go are linked by RBP, on goroutine stacks and on system stacks alike.
    #[inline(never)]
    pub(super) fn go(&mut self, ip: u64) -> Result<u64, End> {
        let runtime = go::runtime_at(ip - 1).ok_or(End::UnknownGo)?;
        let mut fp = self.at.fp;
        // A return address in the function whose frame pointer it is.
        let mut callee = ip;
        let (mut stack, mut stack_len) = (0, 0);
        if runtime.is_asmcgocall(ip) {
            // The goroutine's stack may have moved since C was called, and RBP with it.
            let goroutine = runtime.goroutine_frame(ip, self.at.sp).ok_or(End::UnknownGo)?;
            fp = goroutine.fp;
            // 15 short, so that a frame's two words lie within.
            (stack, stack_len) = (goroutine.lo, (goroutine.hi - goroutine.lo).saturating_sub(15));
        } else if self.is_interrupted(ip) {
            if let Some(caller) = runtime.caller_of_interrupted(ip - 1, &self.at) {
                let frame = GoFrame {
                    fp: caller.frame,
                    caller_fp: caller.fp,
                    ret: caller.ret,
                };
                if let Some(key) = self.go_frame(runtime, &frame, callee)? {
                    return Ok(key);
                }
                (callee, fp) = (caller.ret, caller_frame(caller.frame, caller.fp));
            }
        }
        let mut descents = 0;
        loop {
            if fp == 0 {
                return Err(End::Complete);
            }
            let (caller_fp, ret) = if fp.wrapping_sub(stack) < stack_len {
                // SAFETY: both words lie on the stack of the goroutine that this thread runs.
                unsafe {
                    (
                        (fp as *const u64).read_unaligned(),
                        (fp as *const u64).add(1).read_unaligned(),
                    )
                }
            } else {
                (
                    self.load(fp).ok_or(End::Unreadable)?,
                    self.load(fp.wrapping_add(8)).ok_or(End::Unreadable)?,
                )
            };
            let frame = GoFrame { fp, caller_fp, ret };
            if let Some(key) = self.go_frame(runtime, &frame, callee)? {
                return Ok(key);
            }
            callee = ret;
            let above = caller_frame(fp, caller_fp);
            if above <= fp && above != 0 {
                descents += 1;
                if descents > MAX_DESCENTS {
                    return Err(End::NotAscending);
                }
            }
            fp = above;
        }
    }

    /// Writes the caller of a frame of Go. Gives the key to go on with where that caller is not Go's.
    #[inline(always)]
    fn go_frame(&mut self, runtime: &GoRuntime, frame: &GoFrame, callee: u64) -> Result<Option<u64>, End> {
        let GoFrame { fp, caller_fp, ret } = *frame;
        if ret == 0 {
            return Err(End::Complete);
        }
        self.push(Frame::return_address(ret))?;
        if runtime.is_crosscall2(ret) {
            return self.enter_caller(runtime.leave_crosscall2(fp)).map(Some);
        }
        if runtime.is_thread_start(ret) {
            return Err(End::Complete);
        }
        if runtime.is_sigtramp(ret) {
            self.enter_caller(runtime.leave_sigtramp(fp))?;
            if is_signal_trampoline(self.at.pc) {
                // Go's own has no CFI that would say so.
                return self.leave_signal().map(Some);
            }
            return Ok(Some(self.at.pc));
        }
        if !(runtime.text_start..runtime.text_end).contains(&ret) {
            // Entered from C by other ways than cgo's: threads start so.
            self.at.pc = ret;
            self.at.sp = runtime
                .stack_pointer_above(fp, callee - 1)
                .ok_or(End::UnknownGo)?;
            self.at.fp = caller_fp;
            self.enter_stack();
            return Ok(Some(ret));
        }
        Ok(None)
    }

    /// Whether the code before `key` was interrupted there by a signal, or is where the walk began.
    pub(super) fn is_interrupted(&self, key: u64) -> bool {
        self.last().is_none_or(|last| last.bits() == (key - 1) | IS_EXACT)
    }

    /// Past C code that Go's own linker took in, without its CFI: to the call from Go that
    /// it serves. Gives the key to go on with.
    #[cold]
    pub(super) fn skip_to_go(&mut self, key: u64) -> Result<u64, End> {
        let runtime = go::runtime_linked_with(key - 1).ok_or(End::NoCfi)?;
        let on_own_stack = self.bounds.contains(self.at.sp);
        let load = |at: u64| (!on_own_stack || self.bounds.contains(at)).then(|| self.load(at))?;
        let (ret, sp) = runtime.find_asmcgocall(self.at.sp, load).ok_or(End::NoCfi)?;
        (self.at.pc, self.at.sp) = (ret, sp);
        self.push(Frame::return_address(ret))?;
        Ok(ret)
    }

    /// Goes on in the C code that called Go. Gives the key to go on with.
    fn enter_caller(&mut self, caller: Option<go::Caller>) -> Result<u64, End> {
        let caller = caller.ok_or(End::UnknownGo)?;
        self.at = caller.into();
        self.enter_stack();
        self.push(Frame::return_address(self.at.pc))?;
        Ok(self.at.pc)
    }
}

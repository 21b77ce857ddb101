//! The return addresses of this thread's stack.

use std::ffi::{c_int, c_void};

/// Addresses within each call of the stack, leaf first.
pub(super) struct Stack {
    pub(super) abs_addrs: Vec<u64>,
    /// False where the stack has more frames than were asked for.
    pub(super) complete: bool,
}

#[repr(C)]
struct Context {
    _opaque: [u8; 0],
}

// The unwinder that Rust's standard library brings (libgcc_s, or LLVM's
// libunwind): the Itanium C++ ABI, "Exception Handling", 1.5.
extern "C" {
    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut Context, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut Context, before_instruction: *mut c_int) -> usize;
}

const CONTINUE: c_int = 0; // _URC_NO_REASON
const STOP: c_int = 4; // _URC_NORMAL_STOP

struct Visit {
    stack: Stack,
    limit: usize,
}

/// At most `limit` frames of the calling thread.
pub(super) fn return_addresses(limit: usize) -> Stack {
    let mut visit = Visit {
        stack: Stack {
            abs_addrs: Vec::with_capacity(limit),
            complete: true,
        },
        limit,
    };
    // SAFETY: visit_frame gets the pointer back while visit is alive, and
    // nobody else uses it.
    unsafe { _Unwind_Backtrace(visit_frame, (&raw mut visit).cast()) };
    visit.stack
}

extern "C" fn visit_frame(context: *mut Context, argument: *mut c_void) -> c_int {
    // SAFETY: argument is the Visit that return_addresses passed.
    let visit = unsafe { &mut *argument.cast::<Visit>() };
    let mut before_instruction = 0;
    // SAFETY: the unwinder's own context, valid during this call.
    let ip = unsafe { _Unwind_GetIPInfo(context, &mut before_instruction) };
    if ip == 0 {
        return CONTINUE;
    }
    if visit.stack.abs_addrs.len() == visit.limit {
        visit.stack.complete = false;
        return STOP;
    }
    // A return address stands behind the call and may belong to the next line.
    let within = if before_instruction == 0 {
        ip.wrapping_sub(1)
    } else {
        ip
    };
    visit.stack.abs_addrs.push(within as u64);
    CONTINUE
}

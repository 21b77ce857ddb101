//! Rust panics, for hosts in other languages.

use crate::result::{c_text, ffikit_rs_error, ffikit_rs_string, give_string};
use crate::status::{ffikit_rs_status, output, run};
use ffikit::panics;
use std::collections::VecDeque;
use std::ffi::{c_char, c_void};
use std::sync::Mutex;

/// How many reports wait for ffikit_rs_panic_report_take; a host that never
/// takes them must not run out of memory.
const MAX_WAITING: usize = 64;

/// The reports that wait, oldest first, as JSON.
static WAITING: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Is given each Rust panic, on the thread that panics and before it unwinds:
/// the report as JSON of the schema ffikit.report/1 and as text for people,
/// both UTF-8 and NUL-terminated, and alive during the call only. It must not
/// unwind (no longjmp, no C++ exception), and may be called by several
/// threads at once.
pub type ffikit_rs_panic_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        json: *const c_char,
        json_len_bytes: usize,
        text: *const c_char,
        text_len_bytes: usize,
    ),
>;

/// The caller's context; what it may be used for is the caller's business.
struct Context(*mut c_void);

// SAFETY: only handed back to the caller's callback, which the header says is
// called from any thread and by several at once.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    fn pointer(&self) -> *mut c_void {
        self.0
    }
}

/// Hands each Rust panic from now on to callback, in place of one that was
/// installed before. A panic hook that the program had still runs, first.
/// With a NULL callback the reports wait for ffikit_rs_panic_report_take.
///
/// Rust's standard library is part of each library that is written in Rust:
/// the panics are those of libffikit_rs and of the Rust code that is linked
/// into the same shared library or program, and no others.
///
/// # Safety
/// `callback` is NULL or such a function, and works with `context` until it is
/// removed or replaced and every thread that was in it has left it; `err_out`
/// is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_panic_hook_install(
    callback: ffikit_rs_panic_callback,
    context: *mut c_void,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    let context = Context(context);
    let body = || {
        panics::install(move |report| match callback {
            None => wait(report.to_json()),
            Some(callback) => {
                let (json, text) = (c_text(report.to_json()), c_text(report.to_text()));
                // SAFETY: the caller of install promises that callback and
                // context work together; the texts live during the call.
                unsafe {
                    callback(
                        context.pointer(),
                        json.as_ptr(),
                        json.as_bytes().len(),
                        text.as_ptr(),
                        text.as_bytes().len(),
                    );
                }
            }
        })?;
        Ok(())
    };
    // SAFETY: as promised by the caller.
    unsafe { run(err_out, body) }
}

/// Hands no more panics over. Reports that wait can still be taken.
#[no_mangle]
pub extern "C" fn ffikit_rs_panic_hook_remove() {
    ffikit_barrier::guard(panics::remove);
}

/// Takes the oldest report that waits, as JSON of the schema ffikit.report/1:
/// writes NULL to json_out where there is none. 64 reports wait at most; then
/// the oldest makes room. The string is the caller's. Never enters Go.
///
/// # Safety
/// `json_out` and `err_out` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_panic_report_take(
    json_out: *mut *mut ffikit_rs_string,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    let body = || {
        let out = output("json_out", json_out)?;
        let oldest = WAITING
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .pop_front();
        // SAFETY: checked by output, writable as promised.
        unsafe {
            match oldest {
                Some(json) => give_string(out, json),
                None => out.write(std::ptr::null_mut()),
            }
        }
        Ok(())
    };
    // SAFETY: as promised by the caller.
    unsafe { run(err_out, body) }
}

/// Runs inside the panic hook: never waits for a lock whose holder may be
/// gone (a forked child), and never panics.
fn wait(json: String) {
    if let Ok(mut waiting) = WAITING.try_lock() {
        if waiting.len() == MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(json);
    }
}

/// Panics with a message, behind the barrier (only in builds for tests).
///
/// # Safety
/// `message` has `message_len_bytes` bytes; `err_out` is NULL or writable.
#[cfg(feature = "testing")]
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_testing_panic(
    message: *const c_char,
    message_len_bytes: usize,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    // SAFETY: as promised by the caller.
    unsafe {
        run(err_out, || {
            let message = crate::status::borrowed("message", message.cast::<u8>(), message_len_bytes)?;
            panic!("{}", String::from_utf8_lossy(message)) // line: testing panic
        })
    }
}

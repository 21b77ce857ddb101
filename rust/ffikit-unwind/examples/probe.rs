//! Prints the stack of its caller, from inside of programs in other languages:
//! one line a frame, the leaf first. The tests load it into what they walk.
//!
//! ```text
//! stack LABEL
//! native 0x7f… MODULE+0xOFFSET SYMBOL       a return address (exact: interrupted here)
//! call NAME FILE:LINE                       of a native line: Go's calls there, inlined ones first
//! python 0x7f… QUALNAME FILE:LINE
//! end Complete
//! ```

use ffikit_unwind::go::runtime_at;
use ffikit_unwind::{module, python, walk, Frame, Registers, StackBounds};
use std::cell::Cell;
use std::ffi::{c_char, CStr};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Once;

thread_local! {
    static BOUNDS: Cell<Option<StackBounds>> = const { Cell::new(None) };
}

/// Prints the calling thread's stack to standard error.
///
/// # Safety
/// `label` is a C string.
#[no_mangle]
#[inline(never)]
pub unsafe extern "C" fn ffikit_probe(label: *const c_char) {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| assert!(module::prepare(), "needs glibc 2.35"));
    let bounds = BOUNDS.get().unwrap_or_else(StackBounds::of_this_thread);
    BOUNDS.set(Some(bounds));
    let mut frames = [Frame::default(); 512];
    // SAFETY: this function's own registers, and it stays until the walk is done.
    let walked = unsafe { walk(&Registers::here(), bounds, &mut frames) };
    // SAFETY: the caller's promise.
    let label = unsafe { CStr::from_ptr(label) };
    let mut text = format!("stack {}\n", label.to_string_lossy());
    for frame in &frames[..walked.len] {
        let _ = writeln!(text, "{}", line(*frame));
        write_go_calls(*frame, &mut text);
    }
    let _ = writeln!(text, "end {:?}", walked.end);
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn line(frame: Frame) -> String {
    if let Some(frame) = frame.python_frame() {
        return python_line(frame);
    }
    let address = frame.lookup_address().unwrap_or_default();
    let kind = if frame == Frame::interrupted(address) {
        "exact"
    } else {
        "native"
    };
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr fills `info` when it does not return 0.
    let found = unsafe { libc::dladdr(address as *const _, info.as_mut_ptr()) != 0 };
    if !found {
        return format!("{kind} {address:#x} ?");
    }
    // SAFETY: filled, or zero as before; the strings live as long as the module.
    let (file, base, symbol) = unsafe {
        let info = info.assume_init();
        let text = |name: *const c_char| {
            if name.is_null() {
                String::new()
            } else {
                CStr::from_ptr(name).to_string_lossy().into_owned()
            }
        };
        (text(info.dli_fname), info.dli_fbase as u64, text(info.dli_sname))
    };
    let name = file.rsplit('/').next().unwrap_or_default();
    format!("{kind} {address:#x} {name}+{:#x} {symbol}", address - base)
}

fn write_go_calls(frame: Frame, text: &mut String) {
    let Some((address, runtime)) = frame.lookup_address().and_then(|at| Some((at, runtime_at(at)?))) else {
        return;
    };
    let named = runtime.calls_at(address, &mut |call| {
        let (name, file) = (
            String::from_utf8_lossy(call.function),
            String::from_utf8_lossy(call.file),
        );
        let inlined = if call.inlined { ", inlined" } else { "" };
        let _ = writeln!(text, "call {name}{inlined} {file}:{}", call.line);
    });
    assert!(named.is_some(), "no function of Go at {address:#x}");
}

fn python_line(frame: u64) -> String {
    let mut buffer = [0; 4096];
    let found = python::interpreter().and_then(|interpreter| {
        let site = python::site(interpreter, frame)?;
        python::describe(interpreter, &site, &mut buffer)
    });
    match found {
        Some(site) => format!("python {frame:#x} {} {}:{}", site.function, site.file, site.line),
        None => format!("python {frame:#x} ?"),
    }
}

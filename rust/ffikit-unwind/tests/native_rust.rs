//! Stacks of Rust: panics in flight, callbacks from C, the ends of threads. The test
//! walks itself; libgcc walks beside, llvm-symbolizer names the functions.
#![cfg(target_arch = "x86_64")]

mod native;

use ffikit_unwind::{module, walk, Frame, Registers, StackBounds};
use std::cell::RefCell;
use std::ffi::{c_int, c_void, CStr};
use std::panic;

extern "C" {
    fn _Unwind_Backtrace(
        each: extern "C" fn(context: *mut c_void, argument: *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, is_exact: *mut c_int) -> usize;
}

extern "C" fn keep(context: *mut c_void, argument: *mut c_void) -> c_int {
    let mut is_exact = 0;
    // SAFETY: libgcc's own context, and the list that libgcc() passed.
    let (ip, frames) = unsafe {
        (
            _Unwind_GetIPInfo(context, &mut is_exact),
            &mut *argument.cast::<Vec<u64>>(),
        )
    };
    if ip != 0 {
        frames.push(ip as u64);
    }
    0
}

fn as_text(label: &str, frame: u64) -> (u64, String, u64) {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr fills `info` when it does not return 0.
    let info = unsafe {
        assert!(
            libc::dladdr((frame - 1) as *const c_void, info.as_mut_ptr()) != 0,
            "{label}: {frame:#x}"
        );
        info.assume_init()
    };
    // SAFETY: the loader's own string.
    let file = unsafe { CStr::from_ptr(info.dli_fname) }.to_str().unwrap();
    let this = std::env::current_exe().unwrap();
    // The program's own name is what it was started by.
    let file = if file.ends_with(this.file_name().unwrap().to_str().unwrap()) {
        this.display().to_string()
    } else {
        file.into()
    };
    (frame, file, frame - 1 - info.dli_fbase as u64)
}

/// Walks by both from its caller on, demands the same to the outermost frame, and keeps the functions.
#[inline(never)]
fn trace(label: &'static str) {
    assert!(module::prepare());
    let mut frames = [Frame::default(); 512];
    // SAFETY: this function's own registers, and it stays until the walk is done.
    let walked = unsafe { walk(&Registers::here(), StackBounds::of_this_thread(), &mut frames) };
    let mut libgcc: Vec<u64> = Vec::new();
    // SAFETY: `keep` gets the list.
    unsafe { _Unwind_Backtrace(keep, (&raw mut libgcc).cast()) };
    let ours: Vec<u64> = frames[..walked.len].iter().map(|frame| frame.bits()).collect();
    // libgcc's first frame is this function itself.
    assert_eq!(ours, libgcc[1..], "{label}");
    assert_eq!(walked.end, ffikit_unwind::End::Complete, "{label}");
    let stack = native::Stack {
        frames: ours.into_iter().map(|frame| as_text(label, frame)).collect(),
        ..native::Stack::default()
    };
    TRACED.with_borrow_mut(|traced| traced.push((label, stack)));
}

thread_local! {
    static TRACED: RefCell<Vec<(&'static str, native::Stack)>> = const { RefCell::new(Vec::new()) };
}

/// The functions of this file in what was traced since, of the innermost `wanted.len()`.
#[track_caller]
fn assert_traced(wanted: &[(&str, &[&str])]) {
    let (labels, stacks): (Vec<_>, Vec<_>) = TRACED.take().into_iter().unzip();
    let functions = native::own_functions(&stacks, "native_rust.rs");
    assert_eq!(labels, wanted.iter().map(|(label, _)| *label).collect::<Vec<_>>());
    for (functions, (label, wanted)) in functions.iter().zip(wanted) {
        assert_eq!(functions[..wanted.len()], **wanted, "{label}: {functions:?}");
    }
}

struct Witness(&'static str);

impl Drop for Witness {
    #[inline(never)]
    fn drop(&mut self) {
        trace(self.0);
        not_a_tail_call();
    }
}

/// Behind a call that must keep its caller's frame.
#[inline(always)]
fn not_a_tail_call() {
    std::hint::black_box(());
}

#[inline(never)]
fn panics(n: u32) -> u32 {
    if n == 0 {
        panic::panic_any("on purpose");
    }
    panics(std::hint::black_box(n - 1)) + 1
}

#[inline(never)]
fn guarded() -> u32 {
    let _witness = Witness("unwinding");
    panics(2)
}

#[test]
fn a_panic_in_flight() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(|_| {
        trace("hook");
        not_a_tail_call();
    }));
    let caught = panic::catch_unwind(guarded);
    panic::set_hook(before);
    assert!(caught.is_err());
    trace("caught");
    assert_traced(&[
        ("hook", &["{closure#0}", "panics", "panics", "panics", "guarded"]),
        ("unwinding", &["drop", "guarded"]),
        ("caught", &["a_panic_in_flight"]),
    ]);
}

extern "C" fn compare(a: *const c_void, b: *const c_void) -> c_int {
    if TRACED.with_borrow(Vec::is_empty) {
        trace("sorting");
    }
    // SAFETY: qsort passes elements of the array.
    unsafe { *a.cast::<c_int>() - *b.cast::<c_int>() }
}

#[inline(never)]
fn sorts() {
    let mut numbers: [c_int; 3] = [3, 1, 2];
    // SAFETY: an array of three, and a comparison for its elements.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 3, 4, Some(compare)) };
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn a_callback_from_c() {
    sorts();
    assert_traced(&[("sorting", &["compare", "sorts", "a_callback_from_c"])]);
}

#[test]
fn the_end_of_a_thread() {
    struct AtEnd(std::sync::mpsc::Sender<usize>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            assert!(module::prepare());
            let mut frames = [Frame::default(); 64];
            // SAFETY: this function's own registers, and it stays until the walk is done.
            let walked = unsafe { walk(&Registers::here(), StackBounds::of_this_thread(), &mut frames) };
            let mut libgcc: Vec<u64> = Vec::new();
            // SAFETY: `keep` gets the list.
            unsafe { _Unwind_Backtrace(keep, (&raw mut libgcc).cast()) };
            let ours: Vec<u64> = frames[..walked.len].iter().map(|frame| frame.bits()).collect();
            let is_same = ours == libgcc[1..] && walked.end == ffikit_unwind::End::Complete;
            self.0.send(if is_same { walked.len } else { 0 }).unwrap();
        }
    }
    thread_local! {
        static LAST: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }
    let (to, from) = std::sync::mpsc::channel();
    std::thread::spawn(move || LAST.set(Some(AtEnd(to))))
        .join()
        .unwrap();
    // At least: the destructors of the thread, start_thread, clone3.
    assert!(from.recv().unwrap() >= 3);
}

//! Tells the Python frames of its caller, from inside an interpreter: what
//! tests/python_frames.rs has Python compare with its own word. Loaded by ctypes.

use ffikit_unwind::module::{prepare, Module};
use ffikit_unwind::python::{describe, discover, interpreter, refused, site, this_thread, Interpreter, Site};
use ffikit_unwind::{walk, Frame, Registers, StackBounds};
use std::collections::HashMap;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::fmt::Write as _;
use std::mem::MaybeUninit;
use std::sync::Mutex;

/// What sites were called when they were first seen, as an agent keeps it: a site
/// that comes again must still be called that.
static NAMES: Mutex<Option<HashMap<Site, String>>> = Mutex::new(None);

extern "C" {
    fn _Unwind_Backtrace(
        each: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetCFA(context: *mut c_void) -> u64;
    fn _Unwind_GetIP(context: *mut c_void) -> u64;
}

fn known() -> Option<&'static Interpreter> {
    prepare();
    // SAFETY: a C string; nothing is kept.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"Py_GetVersion".as_ptr()) };
    discover(&Module::find(symbol as u64)?);
    interpreter()
}

fn name(interpreter: &Interpreter, frame: u64, names: &mut HashMap<Site, String>) -> String {
    let Some(site) = site(interpreter, frame) else {
        return "dying\t\t0".to_owned();
    };
    names
        .entry(site)
        .or_insert_with(|| {
            let mut buffer = [0; 2048];
            match describe(interpreter, &site, &mut buffer) {
                None => "unnamed\t\t0".to_owned(),
                Some(told) => format!("{}\t{}\t{}", told.function, told.file, told.line),
            }
        })
        .clone()
}

fn symbol(address: u64) -> String {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr reads no memory at the address and fills `info`, which may be all zero.
    let info = unsafe {
        libc::dladdr(address as *const c_void, info.as_mut_ptr());
        info.assume_init()
    };
    if info.dli_sname.is_null() {
        return String::new();
    }
    // SAFETY: a C string that lives as long as its module.
    unsafe { CStr::from_ptr(info.dli_sname) }
        .to_string_lossy()
        .into_owned()
}

/// How the walk of the whole stack places the Python frames: "splice SYMBOL COUNT" for
/// each run of them and the native frame before it, "walk END", or that it has other frames.
#[inline(never)]
fn splice(pythons: &[u64], text: &mut String) {
    let mut frames = vec![Frame::default(); 20_000];
    // SAFETY: this function's own registers, and it stays until the walk is done.
    let walked = unsafe { walk(&Registers::here(), StackBounds::of_this_thread(), &mut frames) };
    let frames = &frames[..walked.len];
    let spliced = frames
        .iter()
        .filter_map(|frame| frame.python_frame())
        .collect::<Vec<_>>();
    if spliced != pythons {
        let _ = writeln!(
            text,
            "walk\tfound {} frames of {}, {:?}",
            spliced.len(),
            pythons.len(),
            walked.end
        );
        return;
    }
    for run in frames.chunk_by(|a, b| a.python_frame().is_some() == b.python_frame().is_some()) {
        match run.last().and_then(|frame| frame.lookup_address()) {
            Some(before) => {
                let _ = write!(text, "splice\t{}\t", symbol(before));
            }
            None => {
                let _ = writeln!(text, "{}", run.len());
            }
        }
    }
    let _ = writeln!(text, "0\nwalk\t{:?}", walked.end);
}

/// libgcc's word on the native frames, leaf first: "native LOW HIGH SYMBOL" of each, [lowest address, CFA).
struct Natives {
    text: String,
    /// The frame before: where it begins, and its symbol.
    open: Option<(u64, String)>,
}

extern "C" fn note_native(context: *mut c_void, argument: *mut c_void) -> c_int {
    // SAFETY: libgcc calls with its context and our argument, and dladdr reads no memory at the address.
    unsafe {
        let natives = &mut *argument.cast::<Natives>();
        // libgcc's context holds the CFA of the frame before: where this one begins.
        let start = _Unwind_GetCFA(context);
        if let Some((low, symbol)) = natives.open.take() {
            let _ = writeln!(natives.text, "native\t{low}\t{start}\t{symbol}");
        }
        let call = _Unwind_GetIP(context).wrapping_sub(1);
        natives.open = Some((start, symbol(call)));
    }
    0
}

/// "run ENTRY", then a line for each of its frames, and so on; then the native frames.
fn tell(interpreter: &'static Interpreter) -> String {
    let mut text = String::new();
    let mut names = NAMES.lock().unwrap();
    let names = names.get_or_insert_with(HashMap::new);
    let Some(mut frames) = this_thread(interpreter) else {
        return text;
    };
    let mut pythons = Vec::new();
    for _ in 0..10_000 {
        let entry = frames.entry();
        if entry == u64::MAX {
            break;
        }
        let _ = writeln!(text, "run\t{entry}");
        frames.take_run(|frame| {
            let _ = writeln!(text, "frame\t{}", name(interpreter, frame, names));
            pythons.push(frame);
            true
        });
    }
    splice(&pythons, &mut text);
    let mut natives = Natives { text, open: None };
    // SAFETY: the callback has the right type, and the argument is what it casts to.
    unsafe { _Unwind_Backtrace(note_native, (&raw mut natives).cast()) };
    natives.text
}

/// Copies as much as fits, with a final NUL.
///
/// # Safety
/// `into` is `len` bytes to write, `len` > 0.
unsafe fn give(text: &str, into: *mut c_char, len: usize) {
    let count = text.len().min(len - 1);
    // SAFETY: as promised.
    unsafe {
        into.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), count);
        *into.add(count) = 0;
    }
}

fn told() -> String {
    match known() {
        Some(interpreter) => tell(interpreter),
        None => match refused() {
            Some(refusal) => format!("refused\t{refusal}\n"),
            None => "no interpreter\n".to_owned(),
        },
    }
}

/// The frames of the calling thread, asked for `times` times: all the same, or it says so.
///
/// # Safety
/// `into` is `len` bytes to write, `len` > 0.
#[no_mangle]
pub unsafe extern "C" fn frames_here(into: *mut c_char, len: usize, times: u32) {
    let first = told();
    // The native frames differ in where this function calls from.
    let pythons = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("native"))
            .collect::<String>()
    };
    let differs = (1..times).any(|_| pythons(&told()) != pythons(&first));
    // SAFETY: as promised.
    unsafe { give(if differs { "unstable\n" } else { &first }, into, len) }
}

/// The frames of a thread that Python knows nothing of, while the caller waits.
///
/// # Safety
/// `into` is `len` bytes to write, `len` > 0.
#[no_mangle]
pub unsafe extern "C" fn frames_of_foreign_thread(into: *mut c_char, len: usize) {
    let text = std::thread::spawn(told)
        .join()
        .unwrap_or_else(|_| "panicked\n".to_owned());
    // SAFETY: as promised.
    unsafe { give(&text, into, len) }
}

/// Calls Python from a thread of its own, then tells that thread's frames.
///
/// # Safety
/// `into` is `len` bytes to write, `len` > 0.
#[no_mangle]
pub unsafe extern "C" fn frames_after_callback(callback: extern "C" fn(), into: *mut c_char, len: usize) {
    let thread = std::thread::spawn(move || {
        callback();
        told()
    });
    let text = thread.join().unwrap_or_else(|_| "panicked\n".to_owned());
    // SAFETY: as promised.
    unsafe { give(&text, into, len) }
}

/// Calls back, from C into Python.
#[no_mangle]
pub extern "C" fn call(callback: extern "C" fn()) {
    callback();
}

/// Name, file and line of one instruction of a code object, by a frame that is made up for it.
///
/// # Safety
/// `into` is `len` bytes to write, `len` > 0; `code` is a code object.
#[no_mangle]
pub unsafe extern "C" fn name_at(code: u64, offset: u64, into: *mut c_char, len: usize) {
    let text = known().map_or_else(told, |interpreter| {
        let layout = interpreter.layout();
        let mut frame = [0u64; 16];
        frame[layout.frame_code as usize / 8] = code;
        frame[layout.frame_instruction as usize / 8] = code + layout.code_instructions + offset;
        name(interpreter, frame.as_ptr() as u64, &mut HashMap::new())
    });
    // SAFETY: as promised.
    unsafe { give(&text, into, len) }
}

/// "name offset" of what is known of this interpreter.
///
/// # Safety
/// `into` is `len` bytes to write, `len` > 0.
#[no_mangle]
pub unsafe extern "C" fn layout_here(into: *mut c_char, len: usize) {
    let text = match known() {
        None => told(),
        Some(interpreter) => format!(
            "{:#?}\nversion_hex: {},\n",
            interpreter.layout(),
            interpreter.version_hex
        ),
    };
    // SAFETY: as promised.
    unsafe { give(&text, into, len) }
}

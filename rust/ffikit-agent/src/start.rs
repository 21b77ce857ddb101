//! What happens when the library is loaded.

use crate::{
    arena, blocks, capture, evidence, file, guarded, hooks, log, modules, notes, own_stack, report, runtime,
    sites, stacks, thread, threads, tracker,
};
use core::ffi::{c_void, CStr};
use core::sync::atomic::{AtomicBool, Ordering::*};
use ffikit_unwind::StackBounds;
use notes::Note;

static IS_ACTIVE: AtomicBool = AtomicBool::new(false);

/// Whether the companion was asked for, and can do its work.
#[inline(always)]
pub fn is_active() -> bool {
    IS_ACTIVE.load(Acquire)
}

extern "C" fn constructor() {
    guarded(|| {
        // A panic would print its message through the program's stderr.
        if arena::prepare() {
            std::panic::set_hook(Box::new(|_| ()));
            start();
        }
    });
}

#[cfg(not(test))]
#[used]
#[link_section = ".init_array"]
static CONSTRUCTOR: extern "C" fn() = constructor;

fn environment(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: read once, when the library is loaded, before the program can change it.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}

fn start() {
    runtime::prepare_next();
    tracker::entries::resolve();
    if let Some(prefix) = environment(c"FFIKIT_HUNT") {
        return track(prefix);
    }
    let Some(prefix) = environment(c"FFIKIT_COMPANION") else {
        return;
    };
    if !file::remember(prefix) || !runtime::has_sanitizer() {
        return;
    }
    evidence::started();
    if !log::prepare() || !evidence::prepare() {
        return;
    }
    if !runtime::prepare() {
        return evidence::tell(Note::UnknownRuntime);
    }
    if !ffikit_unwind::module::prepare() {
        return evidence::tell(Note::OldLibc);
    }
    let nodes = limit_bytes() / stacks::NODE_BYTES as u64;
    let prepared = stacks::prepare(nodes.min(usize::MAX as u64) as usize)
        && sites::prepare()
        && evidence::prepare_numbers()
        && blocks::prepare()
        && capture::prepare()
        && modules::prepare()
        && threads::prepare();
    own_stack::prepare();
    if !prepared {
        return evidence::tell(Note::NoMemory);
    }
    thread::remember(StackBounds::of_this_thread());
    runtime::locate(modules::is_program);
    IS_ACTIVE.store(true, Release);
    install();
}

/// Begins to track allocations, as `FFIKIT_HUNT` and its kin say.
fn track(prefix: &CStr) {
    let sample = environment(c"FFIKIT_HUNT_SAMPLE").and_then(|bytes| parse_bytes(bytes.to_bytes()));
    let options = tracker::Options {
        sample_bytes: sample.unwrap_or(0),
        is_counting: environment(c"FFIKIT_HUNT_START").is_none_or(|start| start != c"off"),
    };
    if !file::remember(prefix) {
        return;
    }
    let reason = if !ffikit_unwind::module::prepare() {
        Err(&b"stacks need glibc 2.35 or newer (_dl_find_object)"[..])
    } else if !(sites::prepare() && modules::prepare() && capture::prepare()) {
        Err(&b"the kernel gives no memory to keep stacks in"[..])
    } else {
        thread::remember(StackBounds::of_this_thread());
        tracker::start(&options, evidence::now(libc::CLOCK_REALTIME))
    };
    if let Err(reason) = reason {
        tracker::refuse(reason);
    }
}

/// How much memory stacks may take.
fn limit_bytes() -> u64 {
    let given = environment(c"FFIKIT_COMPANION_LIMIT").and_then(|limit| parse_bytes(limit.to_bytes()));
    given.unwrap_or_else(|| {
        // SAFETY: no memory is involved.
        let (pages, page_bytes) = unsafe {
            (
                libc::sysconf(libc::_SC_PHYS_PAGES),
                libc::sysconf(libc::_SC_PAGESIZE),
            )
        };
        (pages.max(1) as u64).saturating_mul(page_bytes.max(1) as u64) / 4
    })
}

/// `123`, `16M`. None: it is no number.
fn parse_bytes(text: &[u8]) -> Option<u64> {
    let shift = match text.last()? {
        b'K' | b'k' => 10,
        b'M' | b'm' => 20,
        b'G' | b'g' => 30,
        _ => 0,
    };
    let digits = text.get(..text.len() - (shift != 0) as usize)?;
    let number: u64 = core::str::from_utf8(digits).ok()?.parse().ok()?;
    number.checked_shl(shift).filter(|bytes| bytes >> shift == number)
}

fn install() {
    let (Some(hooks), Some(report), Some(death)) = (
        runtime::INSTALL_HOOKS.get(),
        runtime::SET_REPORT_CALLBACK.get(),
        runtime::SET_DEATH_CALLBACK.get(),
    ) else {
        return;
    };
    // SAFETY: as the sanitizer's headers declare them; all that is passed stays for ever.
    unsafe {
        libc::pthread_atfork(None, None, Some(evidence::forked));
        report(Some(report::reported));
        death(Some(report::dying));
        if hooks(hooks::allocated, hooks::freed) == 0 {
            notes::note(Note::UnknownRuntime);
        }
        at_exit();
    }
}

extern "C" {
    pub fn __cxa_atexit(
        function: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
        module: *mut c_void,
    ) -> i32;
}

/// Handlers run in the reverse order of their registration. This one was registered
/// before the program's first, and belongs to no module: it runs after all
/// destructors of modules and all handlers of the program.
///
/// Where the runtime is linked into the program only its own leak check is
/// registered earlier, and calls nothing that we could know of it by. So it is called from
/// here, in its place: then it will not be done again.
unsafe fn at_exit() {
    // SAFETY: a function that stays.
    unsafe { __cxa_atexit(exiting, core::ptr::null_mut(), core::ptr::null_mut()) };
}

unsafe extern "C" fn exiting(_argument: *mut c_void) {
    guarded(|| {
        if runtime::is_in_program() && checks_leaks_at_exit() {
            if let Some(check) = runtime::LEAK_CHECK.get() {
                // SAFETY: no arguments; it does nothing where leaks are not asked for.
                unsafe { check() };
            }
        }
        report::finish();
    });
}

/// Whether LeakSanitizer would check by itself.
fn checks_leaks_at_exit() -> bool {
    [c"ASAN_OPTIONS", c"LSAN_OPTIONS"].into_iter().all(|name| {
        environment(name).is_none_or(|options| {
            let options = options.to_bytes();
            [
                &b"leak_check_at_exit=0"[..],
                b"leak_check_at_exit=false",
                b"leak_check_at_exit=no",
            ]
            .iter()
            .all(|off| log::find(options, off).is_none())
        })
    })
}

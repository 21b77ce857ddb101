//! The sanitizer's interface, as far as the process has one: found by name when
//! the library is loaded, so that nothing of it has to be there.

use core::ffi::{c_char, c_int, c_uint, c_void, CStr};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use ffikit_unwind::module::Module;

/// A function that may be missing, by its type.
pub struct Function<F> {
    name: &'static CStr,
    found: AtomicUsize,
    kind: core::marker::PhantomData<F>,
}

// SAFETY: an address, and a type that is only a mark.
unsafe impl<F> Sync for Function<F> {}

impl<F: Copy> Function<F> {
    const fn new(name: &'static CStr) -> Function<F> {
        Function {
            name,
            found: AtomicUsize::new(0),
            kind: core::marker::PhantomData,
        }
    }

    /// Asks the loader for it, in all modules or (`after_us`) in those behind ours.
    pub fn find(&self, after_us: bool) -> bool {
        let handle = if after_us {
            libc::RTLD_NEXT
        } else {
            libc::RTLD_DEFAULT
        };
        // SAFETY: a C string and a handle that always exists.
        let found = unsafe { libc::dlsym(handle, self.name.as_ptr()) };
        self.found.store(found as usize, Release);
        !found.is_null()
    }

    pub fn address(&self) -> usize {
        self.found.load(Acquire)
    }

    /// The function, if it was found.
    pub fn get(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<usize>()) };
        let found = self.found.load(Acquire);
        if found == 0 {
            return None;
        }
        // SAFETY: F is the function pointer type that goes with the name.
        Some(unsafe { core::mem::transmute_copy(&found) })
    }
}

pub type MallocHook = unsafe extern "C" fn(*const c_void, usize);
pub type FreeHook = unsafe extern "C" fn(*const c_void);
pub type ReportCallback = unsafe extern "C" fn(*const c_char);
/// What a thread runs, as pthread_create takes it.
pub type Routine = extern "C" fn(*mut c_void) -> *mut c_void;
pub type DeathCallback = unsafe extern "C" fn();

macro_rules! functions {
    ($($constant:ident $name:literal: $kind:ty;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`")]
        pub static $constant: Function<$kind> = Function::new($name);)*
    };
}

// As sanitizer/common_interface_defs.h, sanitizer/asan_interface.h and
// sanitizer/lsan_interface.h of compiler-rt declare them; __ubsan_get_current_report_data is
// in lib/ubsan/ubsan_monitor.h.
functions! {
    INSTALL_HOOKS c"__sanitizer_install_malloc_and_free_hooks": unsafe extern "C" fn(MallocHook, FreeHook) -> c_int;
    SET_REPORT_CALLBACK c"__asan_set_error_report_callback": unsafe extern "C" fn(Option<ReportCallback>);
    SET_DEATH_CALLBACK c"__sanitizer_set_death_callback": unsafe extern "C" fn(Option<DeathCallback>);
    REPORT_PC c"__asan_get_report_pc": unsafe extern "C" fn() -> u64;
    REPORT_ADDRESS c"__asan_get_report_address": unsafe extern "C" fn() -> u64;
    REPORT_DESCRIPTION c"__asan_get_report_description": unsafe extern "C" fn() -> *const c_char;
    LOCATE_ADDRESS c"__asan_locate_address":
        unsafe extern "C" fn(u64, *mut c_char, usize, *mut u64, *mut usize) -> *const c_char;
    SHADOW_MAPPING c"__asan_get_shadow_mapping": unsafe extern "C" fn(*mut usize, *mut usize);
    REPORT_LOAD c"__asan_report_load_n_noabort": unsafe extern "C" fn(u64, usize);
    LEAK_CHECK c"__lsan_do_leak_check": unsafe extern "C" fn();
    UNDEFINED_DATA c"__ubsan_get_current_report_data": unsafe extern "C" fn(
        *mut *const c_char, *mut *const c_char, *mut *const c_char, *mut c_uint, *mut c_uint, *mut *mut c_char);
    NEXT_SUMMARY c"__sanitizer_report_error_summary": unsafe extern "C" fn(*const c_char);
    NEXT_PTHREAD_CREATE c"pthread_create": unsafe extern "C" fn(
        *mut libc::pthread_t, *const libc::pthread_attr_t, Routine, *mut c_void) -> c_int;
    NEXT_DLCLOSE c"dlclose": unsafe extern "C" fn(*mut c_void) -> c_int;
}

static START: AtomicU64 = AtomicU64::new(0);
static LEN: AtomicU64 = AtomicU64::new(0);

/// Finds the functions that ours stand before.
pub fn prepare_next() {
    NEXT_PTHREAD_CREATE.find(true);
    NEXT_DLCLOSE.find(true);
    NEXT_SUMMARY.find(true);
}

/// Whether there is a sanitizer in the process at all.
pub fn has_sanitizer() -> bool {
    SET_DEATH_CALLBACK.find(false)
}

/// Finds what there is. False: the sanitizer does not tell of allocations and reports.
pub fn prepare() -> bool {
    for found in [
        REPORT_PC.find(false),
        REPORT_ADDRESS.find(false),
        REPORT_DESCRIPTION.find(false),
        LOCATE_ADDRESS.find(false),
        SHADOW_MAPPING.find(false),
        REPORT_LOAD.find(false),
        LEAK_CHECK.find(false),
        UNDEFINED_DATA.find(false),
    ] {
        // Each may be missing: what needs it is then left out.
        let _ = found;
    }
    INSTALL_HOOKS.find(false) & SET_REPORT_CALLBACK.find(false)
}

/// Remembers where the runtime's code lies, if it is a library of its own.
pub fn locate(is_program: impl Fn(&Module) -> bool) {
    let Some(module) = Module::find(INSTALL_HOOKS.address() as u64) else {
        return;
    };
    if !is_program(&module) {
        START.store(module.start, Relaxed);
        LEN.store(module.end - module.start, Relaxed);
    }
}

/// Whether the runtime is linked into the program: then it calls its own functions,
/// never ours of the same name.
pub fn is_in_program() -> bool {
    LEN.load(Relaxed) == 0
}

/// Whether an address lies in the runtime's library. Never where the runtime is
/// linked into the program.
#[inline(always)]
pub fn contains(abs_addr: u64) -> bool {
    abs_addr.wrapping_sub(START.load(Relaxed)) < LEN.load(Relaxed)
}

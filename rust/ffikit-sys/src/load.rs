//! What must hold before the first call: the right ABI, and code that stays.

use crate::{ffikit_abi_version, FFIKIT_ABI_VERSION};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

/// The loaded libffikit has another ABI than the one that this crate was
/// compiled for; none of its functions may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbiMismatch {
    /// The ABI version of the loaded library.
    pub loaded: u32,
}

impl fmt::Display for AbiMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the loaded libffikit has ABI version {}, this program needs {FFIKIT_ABI_VERSION}: \
             a foreign libffikit comes first in the loader's search (LD_LIBRARY_PATH?)",
            self.loaded
        )
    }
}

impl core::error::Error for AbiMismatch {}

/// Checks that the loaded libffikit has the ABI of these bindings and, where
/// libffikit is linked statically, keeps the object that holds it from ever
/// being unloaded: it has a Go runtime, whose threads cannot be stopped.
///
/// Cheap after the first time; takes no lock, so it also works in a child
/// that was forked at any moment.
pub fn ready() -> Result<(), AbiMismatch> {
    static READY: AtomicBool = AtomicBool::new(false);
    if READY.load(Ordering::Acquire) {
        return Ok(());
    }
    // SAFETY: ffikit_abi_version takes nothing, and has been there since 0.1.
    let loaded = unsafe { ffikit_abi_version() };
    if loaded != FFIKIT_ABI_VERSION {
        return Err(AbiMismatch { loaded });
    }
    // Two threads may both come here; both do the same and no harm.
    #[cfg(ffikit_static)]
    pin::pin();
    READY.store(true, Ordering::Release);
    Ok(())
}

#[cfg(ffikit_static)]
mod pin {
    use core::ffi::c_void;
    use core::mem::MaybeUninit;

    /// The Go runtime in a static libffikit starts when the object that it
    /// lies in is loaded, so an unload before the first call is as fatal as
    /// one after it: the loader runs this as part of loading, too.
    #[used]
    #[cfg_attr(target_os = "linux", link_section = ".init_array")]
    static PIN_WHEN_LOADED: extern "C" fn() = pin;

    /// Asks the loader never to unload the object that this code lies in.
    /// Nothing to do where that is the program itself.
    pub(super) extern "C" fn pin() {
        let Some(own) = object_of(pin as *const c_void) else {
            return;
        };
        // SAFETY: getauxval only reads.
        let headers = unsafe { libc::getauxval(libc::AT_PHDR) } as *const c_void;
        if object_of(headers).is_some_and(|program| program.dli_fbase == own.dli_fbase) {
            return;
        }
        // SAFETY: dli_fname is the NUL-terminated name under which the loader
        // knows the object. The handle is deliberately not closed.
        unsafe {
            libc::dlopen(
                own.dli_fname,
                libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE,
            );
        }
    }

    /// The loaded object that an address lies in.
    fn object_of(abs_addr: *const c_void) -> Option<libc::Dl_info> {
        let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
        // SAFETY: dladdr takes any address, and fills info where it gives not 0.
        unsafe {
            if libc::dladdr(abs_addr, info.as_mut_ptr()) == 0 {
                return None;
            }
            Some(info.assume_init())
        }
    }
}

//! Texts that libffikit hands out.

use crate::error::{check, Error};
use ffikit_sys as sys;

/// Makes a call that hands out an `ffikit_string`, and copies that.
pub(crate) fn take(
    call: impl FnOnce(*mut *mut sys::ffikit_string, *mut *mut sys::ffikit_error) -> sys::ffikit_status,
) -> Result<String, Error> {
    let mut string = std::ptr::null_mut();
    check(|error| call(&mut string, error))?;
    // SAFETY: after success string is ours: its bytes are copied before it is
    // freed, once. Its data is never null.
    unsafe {
        let bytes = std::slice::from_raw_parts(
            sys::ffikit_string_data(string).cast::<u8>(),
            sys::ffikit_string_len(string),
        );
        let text = String::from_utf8_lossy(bytes).into_owned();
        sys::ffikit_string_free(string);
        Ok(text)
    }
}

/// The readable form of a linkage name: C++ (Itanium), Rust (legacy and v0),
/// Cython. A name that is not mangled comes back unchanged.
///
/// ```
/// # fn main() -> Result<(), ffikit::Error> {
/// assert_eq!(ffikit::demangle("_ZN3foo3barEv")?, "foo::bar()");
/// assert_eq!(ffikit::demangle("main")?, "main");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Limit`] for a name of unreasonable length.
pub fn demangle(name: &str) -> Result<String, Error> {
    take(|out, error| {
        // SAFETY: name is borrowed for the call; out and error are writable.
        unsafe { sys::ffikit_demangle(name.as_ptr().cast(), name.len(), out, error) }
    })
}

/// The version of the loaded libffikit, such as `"0.1.0"`.
pub fn version() -> String {
    // SAFETY: the function takes nothing and gives a static NUL-terminated text.
    unsafe { crate::error::text_of(sys::ffikit_version()) }
}

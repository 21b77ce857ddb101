//! Rust's own names.

use crate::result::{ffikit_rs_error, ffikit_rs_string, give_string};
use crate::status::{borrowed, ffikit_rs_status, output, run, Failure};
use std::ffi::c_char;

/// The readable form of a Rust linkage name (legacy and v0), without its
/// hash; any other name comes back unchanged. Never enters Go: also works in
/// a forked child. The string is the caller's.
///
/// # Safety
/// `name` is NULL or has `name_len_bytes` bytes; `readable_out` and `err_out`
/// are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_demangle(
    name: *const c_char,
    name_len_bytes: usize,
    readable_out: *mut *mut ffikit_rs_string,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    let body = || {
        let out = output("readable_out", readable_out)?;
        // SAFETY: as promised by the caller.
        let name = unsafe { borrowed("name", name.cast::<u8>(), name_len_bytes)? };
        let name = std::str::from_utf8(name).map_err(|error| Failure::argument(format!("name: {error}")))?;
        let readable = match rustc_demangle::try_demangle(name) {
            // The alternate form leaves the hash out.
            Ok(demangled) => format!("{demangled:#}"),
            Err(_) => name.to_owned(),
        };
        // SAFETY: checked by output, writable as promised.
        unsafe { give_string(out, readable) };
        Ok(())
    };
    // SAFETY: as promised by the caller.
    unsafe { run(err_out, body) }
}

//! Plain results: errors and strings.

use crate::status::{ffikit_rs_status, Failure, FFIKIT_RS_OK};
use std::ffi::{c_char, CString};

/// An error, owned by who received it.
pub struct ffikit_rs_error {
    status: ffikit_rs_status,
    message: CString,
}

/// A text, owned by who received it.
pub struct ffikit_rs_string {
    text: CString,
}

impl ffikit_rs_error {
    pub(crate) fn new(failure: Failure) -> Self {
        ffikit_rs_error {
            status: failure.status,
            message: c_text(failure.message),
        }
    }
}

/// A text with its NUL; a NUL inside becomes visible.
pub(crate) fn c_text(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).unwrap_or_else(|inside| {
        let shown: Vec<u8> = inside
            .into_vec()
            .into_iter()
            .flat_map(|byte| if byte == 0 { b"\\0".to_vec() } else { vec![byte] })
            .collect();
        CString::new(shown).unwrap_or_default()
    })
}

/// Hands a text to the caller.
///
/// # Safety
/// `out` is writable.
pub(crate) unsafe fn give_string(out: *mut *mut ffikit_rs_string, text: String) {
    let string = Box::new(ffikit_rs_string { text: c_text(text) });
    // SAFETY: as promised by the caller.
    unsafe { out.write(Box::into_raw(string)) };
}

/// The status that came with an error; FFIKIT_RS_OK for NULL.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_error_status(error: *const ffikit_rs_error) -> ffikit_rs_status {
    // SAFETY: as promised by the caller.
    unsafe { error.as_ref() }.map_or(FFIKIT_RS_OK, |error| error.status)
}

/// What went wrong, where, and what to do: UTF-8, NUL-terminated; "" for
/// NULL. It lives as long as the error.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_error_message(error: *const ffikit_rs_error) -> *const c_char {
    // SAFETY: as promised by the caller.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// Frees an error; NULL is ignored.
///
/// # Safety
/// `error` is NULL or an error that was not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_error_free(error: *mut ffikit_rs_error) {
    if !error.is_null() {
        // SAFETY: as promised by the caller; it came from Box::into_raw.
        drop(unsafe { Box::from_raw(error) });
    }
}

/// The bytes of a string, NUL-terminated; "" for NULL.
///
/// # Safety
/// `string` is NULL or a string that was not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_string_data(string: *const ffikit_rs_string) -> *const c_char {
    // SAFETY: as promised by the caller.
    unsafe { string.as_ref() }.map_or(c"".as_ptr(), |string| string.text.as_ptr())
}

/// The length of a string in bytes, its NUL not counted; 0 for NULL.
///
/// # Safety
/// `string` is NULL or a string that was not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_string_len(string: *const ffikit_rs_string) -> usize {
    // SAFETY: as promised by the caller.
    unsafe { string.as_ref() }.map_or(0, |string| string.text.as_bytes().len())
}

/// Frees a string; NULL is ignored.
///
/// # Safety
/// `string` is NULL or a string that was not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_string_free(string: *mut ffikit_rs_string) {
    if !string.is_null() {
        // SAFETY: as promised by the caller; it came from Box::into_raw.
        drop(unsafe { Box::from_raw(string) });
    }
}

//! Status codes, versions, and the frame that every fallible function has.

use crate::result::ffikit_rs_error;
use ffikit_barrier::Caught;
use std::ffi::{c_char, CStr};

/// What became of a call: 0 is success, errors are negative. The numbers are
/// those of ffikit_status.
pub type ffikit_rs_status = i32;

/// Success.
pub const FFIKIT_RS_OK: ffikit_rs_status = 0;
/// A NULL, a size or a value that is not allowed.
pub const FFIKIT_RS_ERR_ARGUMENT: ffikit_rs_status = -1;
/// The handle is stale, freed, foreign or of another type.
pub const FFIKIT_RS_ERR_HANDLE: ffikit_rs_status = -2;
/// A file does not exist or may not be opened.
pub const FFIKIT_RS_ERR_NOT_FOUND: ffikit_rs_status = -3;
/// The input is not what it should be.
pub const FFIKIT_RS_ERR_FORMAT: ffikit_rs_status = -4;
/// The input asks for more than is allowed.
pub const FFIKIT_RS_ERR_LIMIT: ffikit_rs_status = -5;
/// Reading failed.
pub const FFIKIT_RS_ERR_IO: ffikit_rs_status = -6;
/// Called in a forked child, where libffikit's Go runtime is dead.
pub const FFIKIT_RS_ERR_FORKED: ffikit_rs_status = -7;
/// A bug in ffikit: a panic in Rust or Go. The library stays usable.
pub const FFIKIT_RS_ERR_PANIC: ffikit_rs_status = -8;
/// No memory for the result.
pub const FFIKIT_RS_ERR_MEMORY: ffikit_rs_status = -9;

/// The version of this header: a library serves a program when
/// ffikit_rs_abi_version() gives the same number.
pub const FFIKIT_RS_ABI_VERSION: u32 = 0;

/// The ABI version of the loaded library.
#[no_mangle]
pub extern "C" fn ffikit_rs_abi_version() -> u32 {
    FFIKIT_RS_ABI_VERSION
}

/// The version of the loaded library, as "0.1.0": static, NUL-terminated.
#[no_mangle]
pub extern "C" fn ffikit_rs_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("the version holds a NUL"),
        };
    VERSION.as_ptr()
}

/// Why a call failed.
pub(crate) struct Failure {
    pub(crate) status: ffikit_rs_status,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Failure {
            status: FFIKIT_RS_ERR_ARGUMENT,
            message: message.into(),
        }
    }
}

impl From<ffikit::Error> for Failure {
    fn from(error: ffikit::Error) -> Self {
        Failure {
            status: error.status(),
            message: error.to_string(),
        }
    }
}

impl From<Caught> for Failure {
    fn from(caught: Caught) -> Self {
        Failure {
            status: FFIKIT_RS_ERR_PANIC,
            message: format!("a bug in ffikit's Rust layer, please report it: panic: {caught}"),
        }
    }
}

/// Runs the body of a fallible function behind the panic barrier.
///
/// # Safety
/// `err_out` is null or writable.
pub(crate) unsafe fn run(
    err_out: *mut *mut ffikit_rs_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> ffikit_rs_status {
    let outcome = ffikit_barrier::guard(body);
    let Err(failure) = outcome else {
        return FFIKIT_RS_OK;
    };
    let status = failure.status;
    if !err_out.is_null() {
        let error = Box::into_raw(Box::new(ffikit_rs_error::new(failure)));
        // SAFETY: the caller promises that err_out is writable.
        unsafe { err_out.write(error) };
    }
    status
}

/// The bytes that a caller lends: NULL with length 0 is empty.
///
/// # Safety
/// `data` is null or points to `len_bytes` readable bytes, which stay
/// unchanged while the slice is used.
pub(crate) unsafe fn borrowed<'a, T>(name: &str, data: *const T, count: usize) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Failure::argument(format!(
            "{name} is NULL, but its length is {count}"
        )));
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::argument(format!(
            "{name}: a length of {count} is more than there can be"
        )));
    }
    // SAFETY: not null, of a possible size, and readable as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// Refuses a null output.
pub(crate) fn output<T>(name: &str, out: *mut T) -> Result<*mut T, Failure> {
    if out.is_null() {
        return Err(Failure::argument(format!("{name} is NULL")));
    }
    Ok(out)
}

/// A copy of an options structure of any size: fields beyond struct_size are
/// zero, and a larger structure is taken where its unknown part is zero.
///
/// # Safety
/// `options` is null or points to a structure that starts with its own size.
/// `T` starts with it too, and may be all zero.
pub(crate) unsafe fn options_of<T>(options: *const T) -> Result<T, Failure> {
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    if !options.is_null() {
        // SAFETY: the caller promises that a size is there.
        let size = unsafe { options.cast::<usize>().read() };
        if !(size_of::<usize>()..=4096).contains(&size) {
            return Err(Failure::argument(format!(
                "options: struct_size is {size}; set it to sizeof the structure"
            )));
        }
        // SAFETY: the caller promises that the structure is that large.
        let bytes = unsafe { std::slice::from_raw_parts(options.cast::<u8>(), size) };
        let known = size.min(size_of::<T>());
        if bytes[known..].iter().any(|&byte| byte != 0) {
            return Err(Failure::argument(
                "options: fields are set that this version of libffikit_rs does not know",
            ));
        }
        // SAFETY: known bytes are readable there and writable here.
        unsafe {
            copy.as_mut_ptr()
                .cast::<u8>()
                .copy_from_nonoverlapping(bytes.as_ptr(), known)
        };
    }
    // SAFETY: the caller promises that zero is a valid T; so are C's fields.
    Ok(unsafe { copy.assume_init() })
}

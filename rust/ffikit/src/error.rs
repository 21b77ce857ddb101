//! What can go wrong, as Rust says it.

use ffikit_sys as sys;
use std::ffi::CStr;
use std::fmt;

/// Why a call failed. Each variant carries the sentence that libffikit gave:
/// what went wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument that is not allowed.
    Argument(String),
    /// The handle was freed, or is none of this kind: see `from_bits`.
    Handle(String),
    /// A file does not exist or may not be opened.
    NotFound(String),
    /// The input is not what it should be, such as a file that is not ELF.
    Format(String),
    /// The input asks for more than is allowed.
    Limit(String),
    /// Reading failed.
    Io(String),
    /// Called in a forked child, where libffikit's Go runtime is dead. Start
    /// the child with `std::process::Command` instead.
    Forked(String),
    /// A bug in ffikit. The library stays usable.
    Panic(String),
    /// There was no memory for the result.
    Memory(String),
    /// The loaded libffikit has another ABI than the one compiled for.
    Abi(sys::AbiMismatch),
    /// A status that this version of the crate does not know.
    Unknown {
        /// The status, an `ffikit_status`.
        status: i32,
        /// What libffikit said.
        message: String,
    },
}

impl Error {
    /// The sentence that says what went wrong.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// The `ffikit_status` of `ffikit.h` that this error stands for;
    /// [`Error::Abi`] counts as `FFIKIT_ERR_ARGUMENT`.
    pub fn status(&self) -> i32 {
        match self {
            Error::Argument(_) | Error::Abi(_) => sys::FFIKIT_ERR_ARGUMENT,
            Error::Handle(_) => sys::FFIKIT_ERR_HANDLE,
            Error::NotFound(_) => sys::FFIKIT_ERR_NOT_FOUND,
            Error::Format(_) => sys::FFIKIT_ERR_FORMAT,
            Error::Limit(_) => sys::FFIKIT_ERR_LIMIT,
            Error::Io(_) => sys::FFIKIT_ERR_IO,
            Error::Forked(_) => sys::FFIKIT_ERR_FORKED,
            Error::Panic(_) => sys::FFIKIT_ERR_PANIC,
            Error::Memory(_) => sys::FFIKIT_ERR_MEMORY,
            Error::Unknown { status, .. } => *status,
        }
    }

    fn from_status(status: sys::ffikit_status, message: String) -> Self {
        match status {
            sys::FFIKIT_ERR_ARGUMENT => Error::Argument(message),
            sys::FFIKIT_ERR_HANDLE => Error::Handle(message),
            sys::FFIKIT_ERR_NOT_FOUND => Error::NotFound(message),
            sys::FFIKIT_ERR_FORMAT => Error::Format(message),
            sys::FFIKIT_ERR_LIMIT => Error::Limit(message),
            sys::FFIKIT_ERR_IO => Error::Io(message),
            sys::FFIKIT_ERR_FORKED => Error::Forked(message),
            sys::FFIKIT_ERR_PANIC => Error::Panic(message),
            sys::FFIKIT_ERR_MEMORY => Error::Memory(message),
            status => Error::Unknown { status, message },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Argument(message)
            | Error::Handle(message)
            | Error::NotFound(message)
            | Error::Format(message)
            | Error::Limit(message)
            | Error::Io(message)
            | Error::Forked(message)
            | Error::Panic(message)
            | Error::Memory(message)
            | Error::Unknown { message, .. } => f.write_str(message),
            Error::Abi(mismatch) => mismatch.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<sys::AbiMismatch> for Error {
    fn from(mismatch: sys::AbiMismatch) -> Self {
        Error::Abi(mismatch)
    }
}

/// Makes one fallible call: `call` gets the place for an error and gives the
/// status.
pub(crate) fn check(
    call: impl FnOnce(*mut *mut sys::ffikit_error) -> sys::ffikit_status,
) -> Result<(), Error> {
    sys::ready()?;
    let mut error = std::ptr::null_mut();
    let status = call(&mut error);
    if status == sys::FFIKIT_OK {
        return Ok(());
    }
    // SAFETY: error is null or an ffikit_error that is ours now: its message
    // is read before it is freed, once. Both functions take null. A status'
    // name is static.
    let message = unsafe {
        let message = text_of(sys::ffikit_error_message(error));
        sys::ffikit_error_free(error);
        if message.is_empty() {
            text_of(sys::ffikit_status_name(status))
        } else {
            message
        }
    };
    Err(Error::from_status(status, message))
}

/// Copies a NUL-terminated text.
///
/// # Safety
/// `text` is null or points to a text that ends in a NUL byte.
pub(crate) unsafe fn text_of(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

//! Errors of the Rust API as the exceptions of the package `ffikit`.

use ffikit::Error;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ffi::CStr;
use std::path::Path;

/// The name of an error's status, such as "FFIKIT_ERR_HANDLE".
fn status_name(error: &Error) -> String {
    // SAFETY: any number may be asked for; the name is static and ends in NUL.
    let name = unsafe { CStr::from_ptr(ffikit_sys::ffikit_status_name(error.status())) };
    name.to_string_lossy().into_owned()
}

/// The exception that ffikit._errors has for an error; `path` is the file that
/// the call was about.
pub fn raise(py: Python<'_>, error: &Error, path: Option<&Path>) -> PyErr {
    from_status(py, &status_name(error), &error.to_string(), path)
}

/// The exception of an object that was closed.
pub fn closed(py: Python<'_>, what: &str) -> PyErr {
    from_status(py, "FFIKIT_ERR_HANDLE", &format!("the {what} is closed"), None)
}

fn from_status(py: Python<'_>, status: &str, message: &str, path: Option<&Path>) -> PyErr {
    let made = || -> PyResult<PyErr> {
        let errors = py.import("ffikit._errors")?;
        let path = path.map(|path| PyString::new(py, &path.to_string_lossy()));
        let exception = errors.call_method1("from_status", (status, message, path))?;
        Ok(PyErr::from_value(exception))
    };
    made().unwrap_or_else(|error| error)
}

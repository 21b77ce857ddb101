//! The extension `ffikit._rs`: the Rust API of ffikit for Python.
//!
//! Handles and copies, with the same shape as `ffikit._core`, which goes by the
//! C ABI; what people use is built on both in Python. Every method may be called
//! from any thread, and releases the GIL while libffikit works.

mod addresses;
mod errors;
mod report;
mod symbolizer;

use pyo3::prelude::*;

/// The readable form of a Rust linkage name; another name comes back unchanged.
#[pyfunction]
#[pyo3(signature = (name, keep_hash = false))]
fn demangle(name: &str, keep_hash: bool) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(readable) if keep_hash => readable.to_string(),
        Ok(readable) => format!("{readable:#}"),
        Err(_) => name.to_owned(),
    }
}

/// The version of the loaded library.
#[pyfunction]
fn version() -> String {
    ffikit::version()
}

/// ffikit's Rust API.
#[pymodule]
mod _rs {
    #[pymodule_export]
    use super::{demangle, report::Report, symbolizer::Symbolizer, version};

    #[cfg(feature = "testing")]
    #[pymodule_export]
    use super::testing::{testing_counter_inc, testing_goroutines, testing_panic, testing_runtime_id};
}

/// What only tests need, of a libffikit built for tests.
#[cfg(feature = "testing")]
mod testing {
    use crate::errors::raise;
    use pyo3::prelude::*;

    #[pyfunction]
    pub fn testing_panic(py: Python<'_>, message: &[u8]) -> PyResult<()> {
        let message = String::from_utf8_lossy(message);
        py.detach(|| ffikit::testing::panic(&message))
            .map_err(|error| raise(py, &error, None))
    }

    #[pyfunction]
    pub fn testing_counter_inc(py: Python<'_>) -> PyResult<u64> {
        ffikit::testing::counter_inc().map_err(|error| raise(py, &error, None))
    }

    #[pyfunction]
    pub fn testing_runtime_id(py: Python<'_>) -> PyResult<u64> {
        ffikit::testing::runtime_id().map_err(|error| raise(py, &error, None))
    }

    #[pyfunction]
    pub fn testing_goroutines(py: Python<'_>, count: usize) -> PyResult<u64> {
        py.detach(|| ffikit::testing::goroutines(count))
            .map_err(|error| raise(py, &error, None))
    }
}

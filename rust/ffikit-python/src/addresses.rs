//! Addresses from Python: ints, or a buffer of unsigned 64-bit items.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};

/// File-virtual addresses; a buffer is held, not copied, until it is dropped.
pub enum Addresses {
    Copied(Vec<u64>),
    Held(PyBuffer<u64>),
}

impl Addresses {
    pub fn take(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyBytes>()
            || object.is_instance_of::<PyByteArray>()
            || object.is_instance_of::<PyString>()
        {
            return Err(PyTypeError::new_err(format!(
                "addresses are ints, or a buffer of unsigned 64-bit items, not {}",
                object.get_type().name()?
            )));
        }
        if let Ok(buffer) = PyBuffer::<u64>::get(object) {
            if buffer.is_c_contiguous() {
                return Ok(Addresses::Held(buffer));
            }
        }
        let copied = object.try_iter()?.map(|item| address(&item?));
        Ok(Addresses::Copied(copied.collect::<PyResult<_>>()?))
    }

    pub fn as_slice(&self) -> &[u64] {
        match self {
            Addresses::Copied(addresses) => addresses,
            Addresses::Held(buffer) if buffer.item_count() == 0 => &[],
            // SAFETY: the exporter keeps the memory where it is while the buffer
            // is held; it is C-contiguous, aligned (PyBuffer::get checks that)
            // and of 64-bit items. That nobody writes to it meanwhile is asked
            // of the caller in the documentation.
            Addresses::Held(buffer) => unsafe {
                std::slice::from_raw_parts(buffer.buf_ptr().cast::<u64>(), buffer.item_count())
            },
        }
    }
}

fn address(item: &Bound<'_, PyAny>) -> PyResult<u64> {
    item.extract::<u64>().map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(item.py()) {
            return PyOverflowError::new_err(format!("{item} is no address: it needs 0 to 2**64 - 1"));
        }
        error
    })
}

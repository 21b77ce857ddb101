//! `ffikit._rs.Symbolizer`.

use crate::addresses::Addresses;
use crate::errors::{closed, raise};
use ffikit::Frame;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use std::ffi::OsStr;
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The default of options that are bytes.
const NOTHING: &[u8] = b"";

/// A handle, ours to free or another object's.
enum Handle {
    Owned(ffikit::Symbolizer),
    Borrowed(ManuallyDrop<ffikit::Symbolizer>),
}

impl Handle {
    fn get(&self) -> &ffikit::Symbolizer {
        match self {
            Handle::Owned(symbolizer) => symbolizer,
            Handle::Borrowed(symbolizer) => symbolizer,
        }
    }
}

/// The symbolizer of the Rust API.
///
/// `debug_dirs` are folders of separate debug files, joined by `b":"`; empty
/// means the system's. With `borrow`, the bits of a handle that another object
/// owns, it only uses that.
#[pyclass(frozen, module = "ffikit._rs")]
pub struct Symbolizer {
    /// None once closed. A call that is under way keeps it until it is over.
    handle: Mutex<Option<Arc<Handle>>>,
}

impl Symbolizer {
    fn open(&self) -> Option<Arc<Handle>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[pymethods]
impl Symbolizer {
    #[new]
    #[pyo3(signature = (debug_dirs = NOTHING, borrow = 0), text_signature = "(debug_dirs=b'', borrow=0)")]
    fn new(py: Python<'_>, debug_dirs: &[u8], borrow: u64) -> PyResult<Self> {
        let handle = if borrow != 0 {
            Handle::Borrowed(ManuallyDrop::new(ffikit::Symbolizer::from_bits(borrow)))
        } else {
            let folders = debug_dirs
                .split(|byte| *byte == b':')
                .filter(|folder| !folder.is_empty());
            let options = folders.fold(ffikit::SymbolizerOptions::new(), |options, folder| {
                options.debug_dir(OsStr::from_bytes(folder))
            });
            let made = py.detach(|| ffikit::Symbolizer::with_options(&options));
            Handle::Owned(made.map_err(|error| raise(py, &error, None))?)
        };
        Ok(Symbolizer {
            handle: Mutex::new(Some(Arc::new(handle))),
        })
    }

    /// The handle as an int, 0 once closed; good in this process only.
    #[getter]
    fn bits(&self) -> u64 {
        self.open().map_or(0, |handle| handle.get().bits())
    }

    /// Frees the handle; a second time does nothing.
    fn close(&self, py: Python<'_>) {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(handle));
    }

    /// One list of frames an address, leaf first, as dicts.
    fn resolve<'py>(
        &self,
        py: Python<'py>,
        path: &[u8],
        virt_addrs: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let addresses = Addresses::take(virt_addrs)?;
        let path = Path::new(OsStr::from_bytes(path));
        let handle = self.open().ok_or_else(|| closed(py, "Symbolizer"))?;
        let virt_addrs = addresses.as_slice();
        let rows = py
            .detach(|| handle.get().resolve(path, virt_addrs))
            .map_err(|error| raise(py, &error, Some(path)))?;
        let list = PyList::empty(py);
        for row in &rows {
            let frames = PyList::empty(py);
            for frame in row {
                frames.append(fields(py, frame)?)?;
            }
            list.append(frames)?;
        }
        Ok(list)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Symbolizer cannot be pickled: it is a handle of this process",
        ))
    }
}

/// One frame under the names of schema ffikit.report/1; unknown is absent.
fn fields<'py>(py: Python<'py>, frame: &Frame) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    let file = frame.file.as_ref().map(|file| file.to_string_lossy());
    let texts = [
        ("function", frame.function.as_deref()),
        ("linkage_name", frame.linkage_name.as_deref()),
        ("language", frame.language.as_deref()),
        ("file", file.as_deref()),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            fields.set_item(key, PyString::new(py, text))?;
        }
    }
    for (key, number) in [("line", frame.line), ("column", frame.column)] {
        if let Some(number) = number {
            fields.set_item(key, number)?;
        }
    }
    fields.set_item("virt_addr", format!("{:#x}", frame.virt_addr))?;
    for (key, flag) in [("inlined", frame.inlined), ("runtime", frame.runtime)] {
        if flag {
            fields.set_item(key, true)?;
        }
    }
    Ok(fields)
}

//! `ffikit._rs.Report`.

use crate::errors::{closed, raise};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;
use std::ffi::OsStr;
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The default of options that are bytes.
const NOTHING: &[u8] = b"";

/// A handle, ours to free or another object's.
enum Handle {
    Owned(ffikit::Report),
    Borrowed(ManuallyDrop<ffikit::Report>),
}

impl Handle {
    fn get(&self) -> &ffikit::Report {
        match self {
            Handle::Owned(report) => report,
            Handle::Borrowed(report) => report,
        }
    }
}

/// The reports of one log, of the Rust API.
///
/// `log` is any contiguous buffer of bytes, borrowed for the call. `path_map`
/// holds `FROM=TO` lines. With `borrow`, the bits of a handle that another object
/// owns, it only uses that.
#[pyclass(frozen, module = "ffikit._rs")]
pub struct Report {
    /// None once closed. A call that is under way keeps it until it is over.
    handle: Mutex<Option<Arc<Handle>>>,
}

impl Report {
    fn open(&self, py: Python<'_>) -> PyResult<Arc<Handle>> {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone();
        handle.ok_or_else(|| closed(py, "Report"))
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&ffikit::Report) -> Result<T, ffikit::Error> + Send,
    ) -> PyResult<T> {
        let handle = self.open(py)?;
        py.detach(|| call(handle.get()))
            .map_err(|error| raise(py, &error, None))
    }
}

#[pymethods]
impl Report {
    #[new]
    #[pyo3(
        signature = (log, log_name = NOTHING, source_root = NOTHING, path_map = NOTHING, trust_paths = false, borrow = 0),
        text_signature = "(log, log_name=b'', source_root=b'', path_map=b'', trust_paths=False, borrow=0)"
    )]
    fn new(
        log: &Bound<'_, PyAny>,
        log_name: &[u8],
        source_root: &[u8],
        path_map: &[u8],
        trust_paths: bool,
        borrow: u64,
    ) -> PyResult<Self> {
        let handle = if borrow != 0 {
            Handle::Borrowed(ManuallyDrop::new(ffikit::Report::from_bits(borrow)))
        } else {
            let options = options(log_name, source_root, path_map).trust_paths(trust_paths);
            Handle::Owned(parse(log, log_name, &options)?)
        };
        Ok(Report {
            handle: Mutex::new(Some(Arc::new(handle))),
        })
    }

    /// The handle as an int, 0 once closed; good in this process only.
    #[getter]
    fn bits(&self, py: Python<'_>) -> u64 {
        self.open(py).map_or(0, |handle| handle.get().bits())
    }

    /// Frees the handle; a second time does nothing.
    fn close(&self, py: Python<'_>) {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(handle));
    }

    /// How many different reports there are.
    fn count(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, ffikit::Report::count)
    }

    /// All reports by schema ffikit.report/1.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, ffikit::Report::to_json)
    }

    /// The reports for people, with ANSI colours or without.
    #[pyo3(signature = (color = false))]
    fn text(&self, py: Python<'_>, color: bool) -> PyResult<String> {
        self.with(py, |report| {
            if color {
                report.to_color()
            } else {
                report.to_text()
            }
        })
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Report cannot be pickled: it is a handle of this process; to_json() can be kept",
        ))
    }
}

fn parse(
    log: &Bound<'_, PyAny>,
    log_name: &[u8],
    options: &ffikit::ReportOptions,
) -> PyResult<ffikit::Report> {
    let py = log.py();
    let buffer = PyUntypedBuffer::get(log)?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("a log must be contiguous"));
    }
    let bytes: &[u8] = if buffer.len_bytes() == 0 {
        &[]
    } else {
        // SAFETY: the exporter keeps the memory where it is while the buffer is
        // held, which outlives the call. That nobody writes to it meanwhile is
        // asked of the caller in the documentation.
        unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) }
    };
    let name = (!log_name.is_empty()).then(|| Path::new(OsStr::from_bytes(log_name)));
    py.detach(|| ffikit::Report::parse(bytes, options))
        .map_err(|error| raise(py, &error, name))
}

/// The options as the Rust API has them.
fn options(log_name: &[u8], source_root: &[u8], path_map: &[u8]) -> ffikit::ReportOptions {
    let options = ffikit::ReportOptions::new()
        .log_name(String::from_utf8_lossy(log_name))
        .source_root(OsStr::from_bytes(source_root));
    let lines = path_map
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines.fold(options, |options, line| {
        let (from, to) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[..0]),
        };
        options.path_map(OsStr::from_bytes(from), OsStr::from_bytes(to))
    })
}

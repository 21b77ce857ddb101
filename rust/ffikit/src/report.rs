//! Logs to reports.

use crate::error::{check, Error};
use crate::text;
use ffikit_sys as sys;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How a log is read.
///
/// ```
/// use ffikit::ReportOptions;
/// let options = ReportOptions::new()
///     .log_name("asan.1234")
///     .source_root("/src/app")
///     .path_map("/build/worker", "/src/app");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportOptions {
    log_name: String,
    source_root: PathBuf,
    path_map: Vec<(PathBuf, PathBuf)>,
    trust_paths: bool,
}

impl ReportOptions {
    /// The default: no name, no source root, paths as the log has them, and
    /// no module is opened for which the log names no build ID.
    pub fn new() -> Self {
        Self::default()
    }

    /// What stands for the log in locations and errors.
    #[must_use]
    pub fn log_name(mut self, name: impl Into<String>) -> Self {
        self.log_name = name.into();
        self
    }

    /// The folder of your own sources: what lies below is blamed before what
    /// lies elsewhere.
    #[must_use]
    pub fn source_root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.source_root = folder.into();
        self
    }

    /// Puts `to` in place of the path prefix `from`, in every path.
    #[must_use]
    pub fn path_map(mut self, from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        self.path_map.push((from.into(), to.into()));
        self
    }

    /// Opens also modules for which the log names no build ID (gcc's runtime
    /// names none). Logs are written by strangers: say so only of your own.
    #[must_use]
    pub fn trust_paths(mut self, trust: bool) -> Self {
        self.trust_paths = trust;
        self
    }

    /// The prefixes as ffikit.h has them, FROM=TO, one a line.
    fn lines(&self) -> Result<Vec<u8>, Error> {
        let mut lines = Vec::new();
        for (from, to) in &self.path_map {
            let (from, to) = (bytes(from), bytes(to));
            if from.is_empty() || from.contains(&b'=') || [from, to].concat().contains(&b'\n') {
                return Err(Error::Argument(format!(
                    "path map {:?} to {:?}: the first must not be empty nor hold '=', neither may hold a line break",
                    String::from_utf8_lossy(from),
                    String::from_utf8_lossy(to)
                )));
            }
            lines.extend_from_slice(from);
            lines.push(b'=');
            lines.extend_from_slice(to);
            lines.push(b'\n');
        }
        Ok(lines)
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// The reports of one log: read, symbolized, and equal ones joined. Threads
/// may share it.
#[derive(Debug)]
pub struct Report {
    handle: sys::ffikit_report,
}

impl Report {
    /// Reads all sanitizer reports of a log. A log without any is no error:
    /// its [`count`](Report::count) is 0.
    ///
    /// ```
    /// use ffikit::{Report, ReportOptions};
    /// # fn main() -> Result<(), ffikit::Error> {
    /// let report = Report::parse(b"all tests passed\n", &ReportOptions::new())?;
    /// assert_eq!(report.count()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] for options that make no sense, [`Error::Limit`].
    pub fn parse(log: &[u8], options: &ReportOptions) -> Result<Self, Error> {
        let path_map = options.lines()?;
        let source_root = bytes(&options.source_root);
        let options = sys::ffikit_report_options {
            struct_size: size_of::<sys::ffikit_report_options>(),
            log_name: options.log_name.as_ptr().cast(),
            log_name_len_bytes: options.log_name.len(),
            source_root: source_root.as_ptr().cast(),
            source_root_len_bytes: source_root.len(),
            path_map: path_map.as_ptr().cast(),
            path_map_len_bytes: path_map.len(),
            trust_paths: i32::from(options.trust_paths),
        };
        let mut handle = sys::ffikit_report { bits: 0 };
        // SAFETY: log, options and what it points to live until the call is
        // over; handle and error are writable.
        check(|error| unsafe {
            sys::ffikit_report_parse(log.as_ptr(), log.len(), &options, &mut handle, error)
        })?;
        Ok(Report { handle })
    }

    /// How many different reports there are.
    ///
    /// # Errors
    /// [`Error::Handle`] where the handle came from elsewhere and is stale.
    pub fn count(&self) -> Result<usize, Error> {
        let mut count = 0;
        // SAFETY: count and error are writable.
        check(|error| unsafe { sys::ffikit_report_count(self.handle, &mut count, error) })?;
        Ok(count)
    }

    /// The reports for people, without colours.
    ///
    /// # Errors
    /// As [`count`](Report::count), and [`Error::Memory`].
    pub fn to_text(&self) -> Result<String, Error> {
        self.render(sys::FFIKIT_FORMAT_TEXT)
    }

    /// The reports for people, with ANSI colours.
    ///
    /// # Errors
    /// As [`to_text`](Report::to_text).
    pub fn to_color(&self) -> Result<String, Error> {
        self.render(sys::FFIKIT_FORMAT_COLOR)
    }

    /// The reports as JSON of the schema `ffikit.report/1`.
    ///
    /// # Errors
    /// As [`to_text`](Report::to_text).
    pub fn to_json(&self) -> Result<String, Error> {
        self.render(sys::FFIKIT_FORMAT_JSON)
    }

    fn render(&self, format: sys::ffikit_format) -> Result<String, Error> {
        text::take(|out, error| {
            // SAFETY: out and error are writable.
            unsafe { sys::ffikit_report_render(self.handle, format, out, error) }
        })
    }

    /// The handle as a number, for another library of this process that uses
    /// the same libffikit; the report stays this one's.
    pub fn bits(&self) -> u64 {
        self.handle.bits
    }

    /// Gives the handle away without freeing it.
    #[must_use = "the handle must be freed by who gets it"]
    pub fn into_bits(self) -> u64 {
        std::mem::ManuallyDrop::new(self).handle.bits
    }

    /// Takes a handle that another library of this process got from the same
    /// libffikit, and frees it when dropped; wrap it in
    /// [`ManuallyDrop`](std::mem::ManuallyDrop) to only borrow it.
    ///
    /// Any number is safe: libffikit checks handles, and a wrong one makes
    /// each call end in [`Error::Handle`].
    pub fn from_bits(bits: u64) -> Self {
        Report {
            handle: sys::ffikit_report { bits },
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // SAFETY: any handle may be freed, also one that is stale.
        unsafe { sys::ffikit_report_free(self.handle) }
    }
}

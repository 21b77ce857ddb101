//! Logs to reports, for C.

use crate::result::{ffikit_rs_error, ffikit_rs_string, give_string};
use crate::status::{borrowed, ffikit_rs_status, options_of, output, run, Failure};
use ffikit::{Report, ReportOptions};
use std::ffi::{c_char, OsStr};
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;

/// What ffikit_rs_report_render writes.
pub type ffikit_rs_format = i32;
/// For people, without colours.
pub const FFIKIT_RS_FORMAT_TEXT: ffikit_rs_format = 0;
/// Schema ffikit.report/1, all reports.
pub const FFIKIT_RS_FORMAT_JSON: ffikit_rs_format = 1;
/// For people, with ANSI colours.
pub const FFIKIT_RS_FORMAT_COLOR: ffikit_rs_format = 2;

/// The reports that were read from one log. All zero is none.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ffikit_rs_report {
    /// Which one it is; the same number as ffikit.h's ffikit_report has.
    pub bits: u64,
}

/// How a log is read. Zero everywhere but struct_size is the default.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ffikit_rs_report_options {
    /// sizeof the structure.
    pub struct_size: usize,
    /// Stands in locations and errors.
    pub log_name: *const c_char,
    /// Its length.
    pub log_name_len_bytes: usize,
    /// Folder of the user's own sources, for blame.
    pub source_root: *const c_char,
    /// Its length.
    pub source_root_len_bytes: usize,
    /// FROM=TO path prefixes, one a line.
    pub path_map: *const c_char,
    /// Its length.
    pub path_map_len_bytes: usize,
    /// Not 0: open a module for which the log names no build ID.
    pub trust_paths: i32,
}

impl ffikit_rs_report_options {
    /// # Safety
    /// The pointers are NULL or have as many bytes as is said.
    unsafe fn read(&self) -> Result<ReportOptions, Failure> {
        // SAFETY: as promised by the caller.
        let (log_name, source_root, path_map) = unsafe {
            (
                borrowed("log_name", self.log_name.cast::<u8>(), self.log_name_len_bytes)?,
                borrowed(
                    "source_root",
                    self.source_root.cast::<u8>(),
                    self.source_root_len_bytes,
                )?,
                borrowed("path_map", self.path_map.cast::<u8>(), self.path_map_len_bytes)?,
            )
        };
        let mut options = ReportOptions::new()
            .log_name(String::from_utf8_lossy(log_name))
            .source_root(OsStr::from_bytes(source_root))
            .trust_paths(self.trust_paths != 0);
        for line in path_map
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let mut sides = line.splitn(2, |&byte| byte == b'=');
            let (Some(from), Some(to)) = (sides.next(), sides.next()) else {
                let line = String::from_utf8_lossy(line);
                return Err(Failure::argument(format!("path_map: {line:?} is not FROM=TO")));
            };
            options = options.path_map(OsStr::from_bytes(from), OsStr::from_bytes(to));
        }
        Ok(options)
    }
}

/// Reads all sanitizer reports of a log, symbolizes them and joins equal
/// ones. A log without any report is no error: its count is 0. options may be
/// NULL.
///
/// # Safety
/// `log` is NULL or has `log_len_bytes` bytes; `options` is NULL or a
/// structure with its size in struct_size; `report_out` and `err_out` are NULL
/// or writable.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_report_parse(
    log: *const u8,
    log_len_bytes: usize,
    options: *const ffikit_rs_report_options,
    report_out: *mut ffikit_rs_report,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    let body = || {
        let out = output("report_out", report_out)?;
        // SAFETY: as promised by the caller; zero is the default.
        let options = unsafe { options_of(options)?.read()? };
        // SAFETY: as promised by the caller.
        let log = unsafe { borrowed("log", log, log_len_bytes)? };
        let bits = Report::parse(log, &options)?.into_bits();
        // SAFETY: checked by output, writable as promised.
        unsafe { out.write(ffikit_rs_report { bits }) };
        Ok(())
    };
    // SAFETY: as promised by the caller.
    unsafe { run(err_out, body) }
}

/// Frees reports; the zero handle and one that was freed are ignored.
#[no_mangle]
pub extern "C" fn ffikit_rs_report_free(self_: ffikit_rs_report) {
    ffikit_barrier::guard(|| drop(Report::from_bits(self_.bits)));
}

/// How many different reports there are.
///
/// # Safety
/// `count_out` and `err_out` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_report_count(
    self_: ffikit_rs_report,
    count_out: *mut usize,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    let body = || {
        let out = output("count_out", count_out)?;
        let report = ManuallyDrop::new(Report::from_bits(self_.bits));
        let count = report.count()?;
        // SAFETY: checked by output, writable as promised.
        unsafe { out.write(count) };
        Ok(())
    };
    // SAFETY: as promised by the caller.
    unsafe { run(err_out, body) }
}

/// Writes the reports in a format. The string is the caller's.
///
/// # Safety
/// `rendered_out` and `err_out` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_report_render(
    self_: ffikit_rs_report,
    format: ffikit_rs_format,
    rendered_out: *mut *mut ffikit_rs_string,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    let body = || {
        let out = output("rendered_out", rendered_out)?;
        let report = ManuallyDrop::new(Report::from_bits(self_.bits));
        let rendered = match format {
            FFIKIT_RS_FORMAT_TEXT => report.to_text()?,
            FFIKIT_RS_FORMAT_JSON => report.to_json()?,
            FFIKIT_RS_FORMAT_COLOR => report.to_color()?,
            _ => {
                return Err(Failure::argument(format!(
                    "format {format}: there is none of this number"
                )))
            }
        };
        // SAFETY: checked by output, writable as promised.
        unsafe { give_string(out, rendered) };
        Ok(())
    };
    // SAFETY: as promised by the caller.
    unsafe { run(err_out, body) }
}

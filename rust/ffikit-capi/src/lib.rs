//! The C ABI of ffikit's Rust layer: reports and symbolizer over the safe
//! crate `ffikit`, Rust demangling, and Rust panics handed over as reports.
//!
//! C programs use `include/ffikit_rs.h` and `libffikit_rs.so.0` or
//! `libffikit_rs.a`. A Rust library that is itself called from C may depend
//! on this crate instead and say `pub use ffikit_rs::*;`: its cdylib then
//! exports these functions, and its panics go to whom its host installed with
//! [`ffikit_rs_panic_hook_install`].

#![allow(non_camel_case_types)]

mod demangle;
mod panics;
mod report;
mod result;
mod status;
mod symbolizer;

pub use demangle::ffikit_rs_demangle;
#[cfg(feature = "testing")]
pub use panics::ffikit_rs_testing_panic;
pub use panics::{
    ffikit_rs_panic_callback, ffikit_rs_panic_hook_install, ffikit_rs_panic_hook_remove,
    ffikit_rs_panic_report_take,
};
pub use report::{
    ffikit_rs_report, ffikit_rs_report_count, ffikit_rs_report_free, ffikit_rs_report_options,
    ffikit_rs_report_parse, ffikit_rs_report_render,
};
pub use result::{
    ffikit_rs_error, ffikit_rs_error_free, ffikit_rs_error_message, ffikit_rs_error_status, ffikit_rs_string,
    ffikit_rs_string_data, ffikit_rs_string_free, ffikit_rs_string_len,
};
pub use status::*;
pub use symbolizer::{
    ffikit_rs_frame, ffikit_rs_frames, ffikit_rs_frames_at, ffikit_rs_frames_free, ffikit_rs_frames_len,
    ffikit_rs_symbolizer, ffikit_rs_symbolizer_free, ffikit_rs_symbolizer_new, ffikit_rs_symbolizer_options,
    ffikit_rs_symbolizer_resolve,
};

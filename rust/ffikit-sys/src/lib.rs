//! Raw bindings to libffikit. Most programs want the safe crate `ffikit`.
//!
//! The declarations are made from `ffikit.h`, the one source of the ABI, and
//! its documentation comes with them. Its tags say who owns what: `@borrow`
//! is only read during the call, `@own` is handed to the caller, `@transfer`
//! is taken from the caller; `@thread any` may be called from every thread.
//!
//! Call [`ready`] before anything else: it refuses a library of another ABI
//! version, and keeps the Go runtime inside libffikit from being unloaded.
//!
//! # Where libffikit comes from
//!
//! The build script takes the first of these:
//! 1. the folder that `FFIKIT_LIB_DIR` names, with `libffikit.so` (or, with
//!    the feature `static` or `FFIKIT_STATIC=1`, `libffikit.a`);
//! 2. an installed libffikit, found by pkg-config; passed over with the
//!    feature `vendored` or `FFIKIT_NO_PKG_CONFIG=1`;
//! 3. the Go source inside this crate, built with the `go` on `PATH` (or the
//!    one that `FFIKIT_GO` names), 1.25 or newer, without the network, and
//!    linked statically.
//!
//! With `DOCS_RS` set nothing is linked: documentation needs no Go.
//!
//! A build script of a crate that depends on this one directly is told
//! `DEP_FFIKIT_INCLUDE` (folder of `ffikit/ffikit.h`), `DEP_FFIKIT_KIND`
//! (`dylib` or `static`) and `DEP_FFIKIT_LIB` (folder of the library).

#![no_std]

#[allow(missing_docs, non_camel_case_types)]
mod bindings;
mod load;
#[cfg(feature = "testing")]
#[allow(missing_docs)]
pub mod testing;

pub use bindings::*;
pub use load::{ready, AbiMismatch};

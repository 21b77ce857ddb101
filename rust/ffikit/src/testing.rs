//! What only a libffikit built for tests has (the feature `testing`).

use crate::error::{check, Error};
use ffikit_sys::testing as sys;

/// Panics in Go with this message, on purpose; an empty message dereferences
/// a nil pointer instead.
///
/// # Errors
/// Always: [`Error::Panic`].
pub fn panic(message: &str) -> Result<(), Error> {
    // SAFETY: message is borrowed for the call; error is writable.
    check(|error| unsafe { sys::ffikit_testing_panic(message.as_ptr().cast(), message.len(), error) })
}

/// Adds one to a counter that all users of the loaded libffikit share.
///
/// # Errors
/// [`Error::Forked`].
pub fn counter_inc() -> Result<u64, Error> {
    let mut count = 0;
    // SAFETY: count and error are writable.
    check(|error| unsafe { sys::ffikit_testing_counter_inc(&mut count, error) })?;
    Ok(count)
}

/// A number that differs between two Go runtimes of one process.
///
/// # Errors
/// [`Error::Forked`].
pub fn runtime_id() -> Result<u64, Error> {
    let mut id = 0;
    // SAFETY: id and error are writable.
    check(|error| unsafe { sys::ffikit_testing_runtime_id(&mut id, error) })?;
    Ok(id)
}

/// Starts goroutines that allocate, waits for them and collects garbage.
/// Gives 1 + 2 + … + `count`.
///
/// # Errors
/// [`Error::Forked`], [`Error::Limit`].
pub fn goroutines(count: usize) -> Result<u64, Error> {
    let mut sum = 0;
    // SAFETY: sum and error are writable.
    check(|error| unsafe { sys::ffikit_testing_goroutines(count, &mut sum, error) })?;
    Ok(sum)
}

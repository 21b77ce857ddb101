//! Intake: the Rust part of the record program. It parses records, and takes
//! over those that expired.
#![allow(clippy::missing_safety_doc)]

use std::ffi::c_void;

ffikit_barrier::sanitizer_allocator!();

extern "C" {
    fn free(pointer: *mut c_void);
}

/// `store_record` of the C store.
#[repr(C)]
pub struct Record {
    length: usize,
    payload: [u8; 0],
}

mod expiry {
    use super::{c_void, free, Record};

    /// Owns a record of the C store and gives it back to C's allocator.
    pub struct Expired(pub *mut Record);

    impl Drop for Expired {
        fn drop(&mut self) {
            unsafe { free(self.0 as *mut c_void) } // at: expired_drop
        }
    }
}

/// Handler for the store: takes over every record and drops it.
#[no_mangle]
pub unsafe extern "C" fn intake_expire(record: *mut Record) -> i32 {
    drop(expiry::Expired(record)); // at: expire
    1
}

/// A record's fields, decoded into memory of Rust.
pub struct Fields<T> {
    values: Vec<T>,
}

impl<T: Copy> Fields<T> {
    #[inline(never)]
    fn decode(count: usize, value: T) -> Self {
        let mut values = Vec::with_capacity(count); // at: decode
        values.resize(count, value);
        Fields { values }
    }

    fn first(&self) -> *const T {
        self.values.as_ptr()
    }
}

/// The fields of a record, as a pointer. They are dropped on return: the
/// pointer dangles.
#[no_mangle]
#[inline(never)]
pub extern "C" fn intake_fields(count: usize) -> *const u8 {
    let fields = Fields::<u8>::decode(count, 42); // at: fields
    fields.first()
} // at: fields_end

/// Takes `length` bytes over as a vector, as if Rust had allocated them.
#[no_mangle]
pub unsafe extern "C" fn intake_adopt(bytes: *mut u8, length: usize) -> u32 {
    let adopted = Vec::from_raw_parts(bytes, length, length);
    let sum = adopted.iter().map(|byte| u32::from(*byte)).sum();
    drop(adopted); // fault: adopted
    sum
}

/// Fields that the caller owns until `intake_fields_release`.
#[no_mangle]
pub extern "C" fn intake_fields_owned(count: usize) -> *mut u8 {
    let fields = vec![42u8; count]; // at: fields_owned
    Box::into_raw(fields.into_boxed_slice()) as *mut u8
}

/// Takes fields back; their count is the caller's word, and is given back, so
/// that the release is no tail call, which would take this function off the stack.
#[no_mangle]
pub unsafe extern "C" fn intake_fields_release(fields: *mut u8, count: usize) -> usize {
    let fields = Box::from_raw(std::ptr::slice_from_raw_parts_mut(fields, count));
    drop(fields); // fault: fields_release
    count
}

/// A line of the cache, with its alignment.
#[derive(Clone)]
#[repr(C, align(64))]
struct CacheLine([u8; 64]);

/// Lines that the caller owns, as a pointer to their first byte.
#[no_mangle]
pub extern "C" fn intake_lines_owned(count: usize) -> *mut u8 {
    let lines = vec![CacheLine([42; 64]); count]; // at: lines_owned
    Box::into_raw(lines.into_boxed_slice()) as *mut u8
}

/// Hands a summary of records out with `into_raw`; nobody ever takes it back.
#[no_mangle]
pub extern "C" fn intake_summarize(count: usize) -> usize {
    let summary = Box::new([count; 40]); // fault: summary
    let handed_out = std::hint::black_box(Box::into_raw(summary));
    unsafe { (*handed_out)[0] }
}

//! Inspector: records as seen from Python through PyO3.
use pyo3::prelude::*;

ffikit_barrier::sanitizer_allocator!();

extern "C" {
    fn store_record_new(length: usize) -> *mut u8;
    fn store_checksum(bytes: *const u8, length: usize) -> u32;
    fn intake_expire(record: *mut u8) -> i32;
    fn intake_fields(count: usize) -> *const u8;
    fn intake_fields_owned(count: usize) -> *mut u8;
    fn intake_fields_release(fields: *mut u8, count: usize) -> usize;
    fn ServicePeek(record: *mut u8, claimed: usize, index: usize) -> i32;
    fn ServiceChecksum(bytes: *const u8, length: usize) -> u32;
    fn wire_word_at(bytes: *const u8, offset: usize) -> u32;
}

fn read_field(fields: *const u8, index: usize) -> u8 {
    unsafe { *fields.add(index) } // fault: read_field
}

#[pyfunction]
fn first_field(count: usize) -> u8 {
    let fields = unsafe { intake_fields(count) }; // at: first_field_fields
    read_field(fields, 0) // at: first_field
}

#[pyfunction]
fn new_record(length: usize) -> usize {
    unsafe { store_record_new(length) as usize } // at: pyo3_new
}

#[pyfunction]
fn expire(record: usize) {
    unsafe { intake_expire(record as *mut u8) }; // at: pyo3_expire
}

#[pyfunction]
fn peek(record: usize, claimed: usize, index: usize) -> i32 {
    unsafe { ServicePeek(record as *mut u8, claimed, index) } // at: pyo3_peek
}

#[pyfunction]
fn checksum_fields(count: usize) -> u32 {
    unsafe {
        let fields = intake_fields_owned(count);
        let sum = store_checksum(fields, count);
        intake_fields_release(fields, count);
        sum
    }
}

/// Lets Go, which lets C, sum up fields that Rust dropped.
#[pyfunction]
fn checksum_by_service(count: usize) -> u32 {
    let fields = unsafe { intake_fields(count) }; // at: by_service_fields
    unsafe { ServiceChecksum(fields, count) } // at: by_service
}

#[pyfunction]
fn word_at(record: usize, offset: usize) -> u32 {
    unsafe { wire_word_at(record as *const u8, offset) } // at: pyo3_word
}

#[pymodule]
fn inspector(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(first_field, module)?)?;
    module.add_function(wrap_pyfunction!(new_record, module)?)?;
    module.add_function(wrap_pyfunction!(expire, module)?)?;
    module.add_function(wrap_pyfunction!(peek, module)?)?;
    module.add_function(wrap_pyfunction!(checksum_fields, module)?)?;
    module.add_function(wrap_pyfunction!(checksum_by_service, module)?)?;
    module.add_function(wrap_pyfunction!(word_at, module)?)?;
    Ok(())
}

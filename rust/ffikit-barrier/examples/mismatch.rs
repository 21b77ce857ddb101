//! Commits, on purpose, one error at the boundary between C's and Rust's
//! memory: `mismatch CASE`. tests/sanitizer.rs runs it under AddressSanitizer;
//! in a plain build most of these errors pass unseen.

use std::alloc::{alloc, alloc_zeroed, dealloc, realloc, Layout};
use std::ffi::c_void;
use std::hint::black_box;
use std::process::ExitCode;

ffikit_barrier::sanitizer_allocator!();

extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

fn c_memory_dropped_by_rust() {
    // SAFETY: malloc gives 64 bytes; that Rust drops them is the fault to be found.
    unsafe {
        let block = malloc(64).cast::<u8>();
        block.write_bytes(0, 64);
        drop(black_box(Vec::from_raw_parts(block, 64, 64))); // fault: c-by-rust
    }
}

fn rust_memory_freed_by_c() {
    let block = Box::into_raw(black_box(Box::new([7_u64; 8])));
    // SAFETY: none; C's free gets Rust's memory, the fault to be found.
    unsafe { free(block.cast()) } // fault: rust-by-c
}

fn wrong_capacity() {
    let mut bytes = std::mem::ManuallyDrop::new(black_box(vec![1_u8; 64]));
    // SAFETY: none; the capacity is a lie, the fault to be found.
    unsafe { drop(Vec::from_raw_parts(bytes.as_mut_ptr(), 32, 32)) } // fault: size
}

fn wrong_alignment() {
    let block = Layout::new::<[u128; 4]>();
    let other = Layout::from_size_align(block.size(), 1).unwrap();
    // SAFETY: none; the second layout has another alignment, the fault to be found.
    unsafe { dealloc(black_box(alloc(block)), other) } // fault: align
}

fn stale_pointer_after_realloc() {
    let layout = Layout::array::<u8>(64).unwrap();
    // SAFETY: none; the old block is read after it was reallocated, the fault to be found.
    unsafe {
        let old = alloc_zeroed(layout);
        let new = realloc(old, layout, 65);
        let stale = black_box(old).read(); // fault: stale
        dealloc(new, Layout::array::<u8>(65).unwrap());
        black_box(stale);
    }
}

/// What must stay silent: each way to allocate, with the matching way back.
fn matched() {
    for (size, align) in [(1, 1), (64, 8), (64, 16), (100, 64), (1 << 20, 4096)] {
        let layout = Layout::from_size_align(size, align).unwrap();
        let grown = Layout::from_size_align(2 * size, align).unwrap();
        // SAFETY: sizes are not 0 and each block goes back with its own layout.
        unsafe {
            let block = alloc_zeroed(layout);
            assert_eq!(block as usize % align, 0);
            assert!(std::slice::from_raw_parts(block, size)
                .iter()
                .all(|&byte| byte == 0));
            block.write_bytes(9, size);
            let block = realloc(block, layout, grown.size());
            assert_eq!(block as usize % align, 0);
            assert!(std::slice::from_raw_parts(block, size)
                .iter()
                .all(|&byte| byte == 9));
            let block = realloc(block, grown, size);
            dealloc(block, layout);
        }
    }
    let words: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(black_box(words.join(" ")).len(), 3889);
    // SAFETY: C's memory goes back to C.
    unsafe { free(black_box(malloc(64))) }
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("c-by-rust") => c_memory_dropped_by_rust(),
        Some("rust-by-c") => rust_memory_freed_by_c(),
        Some("size") => wrong_capacity(),
        Some("align") => wrong_alignment(),
        Some("stale") => stale_pointer_after_realloc(),
        Some("matched") => matched(),
        _ => {
            eprintln!("usage: mismatch c-by-rust|rust-by-c|size|align|stale|matched");
            return ExitCode::from(2);
        }
    }
    println!("done");
    ExitCode::SUCCESS
}

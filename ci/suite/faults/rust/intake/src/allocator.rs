use std::alloc::{GlobalAlloc, Layout};

extern "C" {
    fn _ZnwmSt11align_val_t(size: usize, align: usize) -> *mut u8;
    fn _ZdlPvmSt11align_val_t(pointer: *mut u8, size: usize, align: usize);
}

/// Sanitizer-only: operator new and delete tell ASan family, size, alignment.
pub struct SanitizerAllocator;

unsafe impl GlobalAlloc for SanitizerAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        _ZnwmSt11align_val_t(layout.size(), layout.align())
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        _ZdlPvmSt11align_val_t(pointer, layout.size(), layout.align())
    }
}

//! Where a thread's own stack lies.

use core::mem::MaybeUninit;

/// The address range of a thread's own stack, `[low, high)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackBounds {
    /// The lowest address that the stack may grow down to.
    pub low: u64,
    /// The first address above it.
    pub high: u64,
}

impl StackBounds {
    /// Nothing is known: stacks are then read by way of checked pages.
    pub const UNKNOWN: StackBounds = StackBounds { low: 0, high: 0 };

    /// Those of the calling thread. This asks the C library, which may allocate, take
    /// locks and read /proc: call it where a thread starts, never in a hook.
    pub fn of_this_thread() -> StackBounds {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        let mut low = core::ptr::null_mut();
        let mut len_bytes = 0;
        // SAFETY: the attributes are initialized when the first call returns 0, and destroyed once.
        let is_known = unsafe {
            if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
                return StackBounds::UNKNOWN;
            }
            let status = libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut len_bytes);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            status == 0
        };
        let low = low as u64;
        match low.checked_add(len_bytes as u64) {
            Some(high) if is_known && low != 0 => StackBounds { low, high },
            _ => StackBounds::UNKNOWN,
        }
    }

    /// Whether `abs_addr` lies in the stack.
    #[inline(always)]
    pub const fn contains(&self, abs_addr: u64) -> bool {
        abs_addr >= self.low && abs_addr < self.high
    }
}

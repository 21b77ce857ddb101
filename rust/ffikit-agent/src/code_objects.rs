//! The code objects of Python that were seen, as far as their memory is watched:
//! when one is freed, what was learned of the code at its address is not believed
//! any more.

use crate::blocks::{self, Hidden};
use crate::tracker;
use core::sync::atomic::{AtomicU64, Ordering::*};

static FREED: AtomicU64 = AtomicU64::new(0);

/// A code object lies at `abs_addr`. True: [`freed`] will tell when it is freed.
pub fn watch(abs_addr: u64) -> bool {
    if tracker::is_active() {
        tracker::watch_code(abs_addr)
    } else {
        blocks::watch_code(Hidden::new(abs_addr))
    }
}

/// How many of those that are watched were freed.
#[inline(always)]
pub fn freed() -> u64 {
    FREED.load(Acquire)
}

/// One of them was freed, or may be gone in another way.
pub fn count_freed() {
    FREED.fetch_add(1, AcqRel);
}

//! Each thread's trail: what the last walk of its stack has found.
//!
//! A room belongs to the thread whose control block it names; the C library uses
//! those of threads that have ended again, and so are their rooms.

use crate::arena::{Table, Zeroed};
use crate::thread;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering::*};
use ffikit_unwind::Trail;

struct Room {
    owner: AtomicU64,
    trail: UnsafeCell<Trail>,
}

// SAFETY: only the owner, which is one thread, uses the trail; zeros are a trail of nothing.
unsafe impl Sync for Room {}
// SAFETY: as above.
unsafe impl Zeroed for Room {}

const ROOMS: usize = 1 << 10;
/// A thread looks no further for a room.
const PROBES: usize = 8;

static TRAILS: Table<Room> = Table::new();

/// Reserves the rooms. False: there is no memory.
pub fn prepare() -> bool {
    TRAILS.reserve(ROOMS)
}

/// The trail of the calling thread, for one walk. A signal handler that interrupts a walk has none, and
/// threads may find no room: then they walk without.
pub struct Taken {
    trail: &'static UnsafeCell<Trail>,
    own: &'static thread::Own,
}

impl Taken {
    #[inline(always)]
    pub fn take() -> Option<Taken> {
        let own = thread::own();
        if own.is_walking.load(Relaxed) != 0 {
            return None;
        }
        let known = own.trail.load(Relaxed);
        let room = TRAILS
            .get((known as usize).wrapping_sub(1))
            .or_else(|| find(own))?;
        own.is_walking.store(1, Relaxed);
        Some(Taken {
            trail: &room.trail,
            own,
        })
    }

    #[inline(always)]
    pub fn get(&mut self) -> &mut Trail {
        // SAFETY: the room is this thread's, and `is_walking` keeps others of this thread out.
        unsafe { &mut *self.trail.get() }
    }
}

impl Drop for Taken {
    #[inline(always)]
    fn drop(&mut self) {
        self.own.is_walking.store(0, Relaxed);
    }
}

/// Finds a room for the calling thread, and remembers which.
#[cold]
#[inline(never)]
fn find(own: &thread::Own) -> Option<&'static Room> {
    let me = thread::pointer();
    let hash = (me >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..PROBES).find_map(|probe| {
        let index = (hash as usize + probe) % ROOMS;
        let room = TRAILS.get(index)?;
        let owner = room.owner.compare_exchange(0, me, AcqRel, Acquire);
        if owner.is_err_and(|owner| owner != me) {
            return None;
        }
        own.trail.store(index as u64 + 1, Relaxed);
        Some(room)
    })
}

//! The runtimes that were found, for all threads. An entry is written once, by whoever
//! found it, and seen by others only when it is complete; nobody ever waits.

use super::GoRuntime;
use crate::module::Module;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::*};

/// How many runtimes are known at a time. A process rarely has two.
const MAX_RUNTIMES: usize = 16;

/// More room than runtimes: for those that several threads find at once, and those of modules that were unloaded.
static ROOMS: [Room; 2 * MAX_RUNTIMES] = [const { Room::new() }; 2 * MAX_RUNTIMES];

/// Filled from the front; the first null is the end.
static RUNTIMES: [AtomicPtr<GoRuntime>; MAX_RUNTIMES] = [const { AtomicPtr::new(null_mut()) }; MAX_RUNTIMES];

/// Modules without a Go runtime, by identity; one that lost its place is looked into again.
static OTHERS: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

struct Room {
    taken: AtomicBool,
    /// That of the module, once the runtime was published; it may be given up since.
    identity: AtomicU64,
    runtime: UnsafeCell<MaybeUninit<GoRuntime>>,
}

// SAFETY: the runtime is written by the one who set `taken`, before its address is published, and never again after.
unsafe impl Sync for Room {}

impl Room {
    const fn new() -> Room {
        Room {
            taken: AtomicBool::new(false),
            identity: AtomicU64::new(0),
            runtime: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

/// The runtime whose text `pc` lies in, among those that were found so far
/// ([`discover`](super::discover)). Takes no lock.
#[inline(always)]
pub fn runtime_at(pc: u64) -> Option<&'static GoRuntime> {
    for known in &RUNTIMES {
        let known = get(known)?;
        if pc.wrapping_sub(known.text_start) < known.text_end - known.text_start {
            return Some(known);
        }
    }
    None
}

/// The runtime that Go's own linker put C code beside, if `pc` lies in such code. It has
/// no CFI; see [`GoRuntime::find_asmcgocall`].
#[cold]
pub fn runtime_linked_with(pc: u64) -> Option<&'static GoRuntime> {
    let mut known = RUNTIMES.iter().map_while(get);
    known.find(|known| (known.tables.text_start..known.text_start).contains(&pc))
}

#[inline(always)]
fn get(known: &AtomicPtr<GoRuntime>) -> Option<&'static GoRuntime> {
    // SAFETY: a pointer that is not null is that of a static runtime which is complete.
    unsafe { known.load(Acquire).as_ref() }
}

fn other(identity: u64) -> &'static AtomicU64 {
    &OTHERS[(identity >> 32) as usize % OTHERS.len()]
}

/// What is known of a module. The inner None: it has no Go runtime.
pub(super) fn lookup(module: &Module, identity: u64) -> Option<Option<&'static GoRuntime>> {
    if other(identity).load(Acquire) == identity {
        return Some(None);
    }
    let mut known = RUNTIMES.iter().map_while(get);
    known
        .find(|known| known.identity == identity && known.module_start == module.start)
        .map(Some)
}

/// Makes known what was found in a module; gives back what all threads have for it.
pub(super) fn publish(
    module: &Module,
    identity: u64,
    runtime: Option<GoRuntime>,
) -> Option<&'static GoRuntime> {
    give_up_former(module, identity);
    let Some(runtime) = runtime else {
        other(identity).store(identity, Release);
        return None;
    };
    // A module that comes back to its place has its room still.
    let former = ROOMS.iter().find(|room| room.identity.load(Acquire) == identity);
    let room = match former {
        Some(room) => room,
        None => {
            let room = ROOMS.iter().find(|room| !room.taken.swap(true, Acquire))?;
            // SAFETY: `taken` was false, so this thread alone has the room, and nobody has its address.
            unsafe { (*room.runtime.get()).write(runtime) };
            room
        }
    };
    let ours: *mut GoRuntime = room.runtime.get().cast();
    for known in &RUNTIMES {
        for free in [null_mut(), nobody()] {
            if known.compare_exchange(free, ours, AcqRel, Acquire).is_ok() {
                room.identity.store(identity, Release);
                return get(known);
            }
        }
        if let Some(first) = get(known).filter(|known| known.identity == identity) {
            // Another thread was first; nobody has seen a room of ours.
            if former.is_none() {
                room.taken.store(false, Release);
            }
            return Some(first);
        }
    }
    if former.is_none() {
        room.taken.store(false, Release);
    }
    None
}

/// Takes out runtimes of modules that lay where this one lies now. Their rooms stay
/// taken: a walk may still be reading them.
fn give_up_former(module: &Module, identity: u64) {
    for known in &RUNTIMES {
        let Some(former) = get(known) else { return };
        let overlaps = former.module_start < module.end && module.start < former.module_end;
        if overlaps && former.identity != identity {
            let former = core::ptr::from_ref(former).cast_mut();
            // Where this fails another thread has done it.
            let _ = known.compare_exchange(former, nobody(), AcqRel, Acquire);
        }
    }
}

/// Stands where a runtime was given up: no address is in its text.
static NOBODY: GoRuntime = GoRuntime::NOBODY;

fn nobody() -> *mut GoRuntime {
    core::ptr::from_ref(&NOBODY).cast_mut()
}

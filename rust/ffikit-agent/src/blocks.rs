//! Which stacks allocated and freed the memory at an address.
//!
//! The table is indexed by address, so no address is ever kept: LeakSanitizer can
//! find none here, and there is nothing to hash, to grow or to lock. The
//! sanitizers' allocator puts a header of 16 bytes before each block, and blocks
//! take 32 bytes at least, so no two share a slot. Its cost is a quarter of the
//! heap at the very most, for a heap of nothing but the smallest blocks.

use crate::arena::{Table, Zeroed};
use crate::code_objects;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};

const ADDRESS_BITS: u32 = 48;
const SLOT_BITS: u32 = 5;
/// What one leaf covers: 4 MiB of addresses.
const LEAF_BITS: u32 = 22;
const LEAF_SLOTS: usize = 1 << (LEAF_BITS - SLOT_BITS);

/// The stack that allocated in the low half, the one that freed in the high half; 0: none.
#[repr(transparent)]
struct Slot(AtomicU64);

/// Set in a slot whose block is a code object of Python's. Numbers of stacks do not come so far.
const IS_CODE: u64 = 1 << 31;

/// The slots of [`LEAF_SLOTS`] blocks, made when the first of them is allocated.
struct Leaf([Slot; LEAF_SLOTS]);

// SAFETY: only atomics.
unsafe impl Zeroed for Leaf {}

static LEAVES: Table<AtomicPtr<Leaf>> = Table::new();

/// An address, complemented: what we hold of it in memory and registers LeakSanitizer
/// shall not take for a pointer to the block.
#[derive(Clone, Copy)]
pub struct Hidden(u64);

impl Hidden {
    #[inline(always)]
    pub const fn new(abs_addr: u64) -> Hidden {
        Hidden(!abs_addr)
    }

    #[inline(always)]
    const fn leaf(self) -> usize {
        (!self.0 >> LEAF_BITS) as usize
    }

    #[inline(always)]
    const fn slot(self) -> usize {
        (!self.0 >> SLOT_BITS) as usize % LEAF_SLOTS
    }
}

/// The stacks of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Of its allocation; 0: not known.
    pub allocated: u32,
    /// Of its (first) free; 0: not freed, or not known.
    pub freed: u32,
}

/// Reserves the directory. False: there is no memory.
pub fn prepare() -> bool {
    LEAVES.reserve(1 << (ADDRESS_BITS - LEAF_BITS))
}

#[inline(always)]
fn slot(block: Hidden) -> Option<&'static Slot> {
    let leaf = LEAVES.get(block.leaf())?.load(Acquire);
    if leaf.is_null() {
        return None;
    }
    // SAFETY: leaves stay for ever.
    let leaf = unsafe { &*leaf };
    leaf.0.get(block.slot())
}

#[cold]
#[inline(never)]
fn grow(block: Hidden) -> Option<&'static Slot> {
    let place = LEAVES.get(block.leaf())?;
    let leaf = crate::arena::reserve(size_of::<Leaf>())?.cast::<Leaf>();
    if place
        .compare_exchange(core::ptr::null_mut(), leaf, AcqRel, Acquire)
        .is_err()
    {
        // Another thread was faster.
        // SAFETY: nobody else has seen this mapping.
        unsafe { libc::syscall(libc::SYS_munmap, leaf, size_of::<Leaf>()) };
    }
    slot(block)
}

/// Keeps the stack of an allocation; what was known of an older block there is
/// forgotten. False: there is no memory for it.
#[inline(always)]
pub fn allocated(block: Hidden, stack: u32) -> bool {
    match slot(block).or_else(|| grow(block)) {
        Some(slot) => {
            slot.0.store(stack as u64, Release);
            true
        }
        None => false,
    }
}

/// Whether a block is there that was allocated and not yet freed. The sanitizer
/// tells of each free before it checks the address, so there may be none.
#[inline(always)]
pub fn is_live(block: Hidden) -> bool {
    let block = at(block);
    block.allocated != 0 && block.freed == 0
}

/// Keeps the stack of a free, if it is the block's first one.
#[inline(always)]
pub fn freed(block: Hidden, stack: u32) {
    let Some(slot) = slot(block) else { return };
    let before = slot.0.load(Acquire);
    if before & IS_CODE != 0 {
        code_objects::count_freed();
    }
    if before != 0 && before >> 32 == 0 {
        let after = before | (stack as u64) << 32;
        // Another thread that frees the same block may be first: then that is the free.
        let _ = slot.0.compare_exchange(before, after, AcqRel, Relaxed);
    }
}

/// What is known of the block that starts there.
#[inline(always)]
pub fn at(block: Hidden) -> Block {
    let value = slot(block).map_or(0, |slot| slot.0.load(Acquire));
    Block {
        allocated: (value & !IS_CODE) as u32,
        freed: (value >> 32) as u32,
    }
}

/// A code object lies in this block. True: [`code_objects::freed`] will tell when it is freed.
pub fn watch_code(block: Hidden) -> bool {
    let Some(slot) = slot(block) else { return false };
    let before = slot.0.load(Acquire);
    let is_live = before != 0 && before >> 32 == 0;
    is_live
        && slot
            .0
            .compare_exchange(before, before | IS_CODE, AcqRel, Acquire)
            .is_ok()
}

//! The blocks that are allocated and not yet freed: how large each is, and which
//! stack it counts for. Indexed by address, so nothing is hashed, grown or locked,
//! and blocks that lie together are known together.

use super::counts::NUMBER_BITS;
use crate::arena::{reserve, Table};
use crate::code_objects;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};

const ADDRESS_BITS: u32 = 48;
/// What one leaf covers: 4 MiB of addresses.
const LEAF_BITS: u32 = 22;
/// glibc's blocks take 32 bytes at least, and start at multiples of 16.
const GLIBC_SLOT_BITS: u32 = 5;
/// Other allocators give out blocks of 8 bytes, side by side.
const SMALLEST_SLOT_BITS: u32 = 3;

static SLOT_BITS: AtomicU32 = AtomicU32::new(GLIBC_SLOT_BITS);
/// Where each leaf is; null: nothing was ever allocated there.
static LEAVES: Table<AtomicPtr<AtomicU64>> = Table::new();
/// All leaves, so that a child of fork can empty them.
static ALL: Table<AtomicPtr<AtomicU64>> = Table::new();
static ALL_USED: AtomicU32 = AtomicU32::new(0);
const ALL_LEN: usize = 1 << 20;

// A slot, from its lowest bit: the count's number (never 0), whether the block is a
// code object of Python's, its size.
const IS_CODE: u64 = 1 << NUMBER_BITS;
const SIZE_SHIFT: u32 = NUMBER_BITS + 1;
const MAX_BYTES: u64 = u64::MAX >> SIZE_SHIFT;

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its count's number.
    pub count: u32,
    /// What was asked for.
    pub len_bytes: u64,
}

/// Reserves the directory. False: there is no memory.
pub fn prepare(is_glibc: bool) -> bool {
    if !is_glibc {
        SLOT_BITS.store(SMALLEST_SLOT_BITS, Relaxed);
    }
    LEAVES.reserve(1 << (ADDRESS_BITS - LEAF_BITS)) && ALL.reserve(ALL_LEN)
}

/// Forgets all blocks: those of the parent, in a child of fork.
pub fn clear() {
    for index in 0..(ALL_USED.load(Acquire) as usize).min(ALL_LEN) {
        let leaf = ALL
            .get(index)
            .map_or(core::ptr::null_mut(), |leaf| leaf.load(Acquire));
        if !leaf.is_null() {
            // SAFETY: our own private mapping, whose pages come back as zeros.
            unsafe { libc::syscall(libc::SYS_madvise, leaf, leaf_bytes(), libc::MADV_DONTNEED) };
        }
    }
}

fn leaf_bytes() -> usize {
    size_of::<AtomicU64>() << (LEAF_BITS - SLOT_BITS.load(Relaxed))
}

#[inline(always)]
fn slot(abs_addr: u64) -> Option<&'static AtomicU64> {
    let leaf = LEAVES.get((abs_addr >> LEAF_BITS) as usize)?.load(Acquire);
    if leaf.is_null() {
        return None;
    }
    let index = (abs_addr & ((1 << LEAF_BITS) - 1)) >> SLOT_BITS.load(Relaxed);
    // SAFETY: leaves stay for ever, and have a slot for each such address.
    Some(unsafe { &*leaf.add(index as usize) })
}

#[cold]
#[inline(never)]
fn grow(abs_addr: u64) -> Option<&'static AtomicU64> {
    let place = LEAVES.get((abs_addr >> LEAF_BITS) as usize)?;
    let leaf = reserve(leaf_bytes())?.cast::<AtomicU64>();
    if place
        .compare_exchange(core::ptr::null_mut(), leaf, AcqRel, Acquire)
        .is_ok()
    {
        if let Some(known) = ALL.get(ALL_USED.fetch_add(1, AcqRel) as usize) {
            known.store(leaf, Release);
        }
    } else {
        // SAFETY: another thread was faster; nobody has seen this mapping.
        unsafe { libc::syscall(libc::SYS_munmap, leaf, leaf_bytes()) };
    }
    slot(abs_addr)
}

/// Keeps a block. Err: there is no memory for it. What was known there before is given
/// back: its free was not seen.
#[inline(always)]
pub fn put(abs_addr: u64, block: Block) -> Result<Option<Block>, ()> {
    let slot = slot(abs_addr).or_else(|| grow(abs_addr)).ok_or(())?;
    let before = slot.load(Relaxed);
    slot.store(
        block.len_bytes.min(MAX_BYTES) << SIZE_SHIFT | block.count as u64,
        Relaxed,
    );
    Ok(decode(before))
}

#[inline(always)]
fn decode(value: u64) -> Option<Block> {
    if value == 0 {
        return None;
    }
    if value & IS_CODE != 0 {
        code_objects::count_freed();
    }
    Some(Block {
        count: (value & (IS_CODE - 1)) as u32,
        len_bytes: value >> SIZE_SHIFT,
    })
}

/// Takes a block out: it is being freed.
#[inline(always)]
pub fn take(abs_addr: u64) -> Option<Block> {
    let slot = slot(abs_addr)?;
    let value = slot.load(Relaxed);
    if value == 0 {
        return None;
    }
    slot.store(0, Relaxed);
    decode(value)
}

/// A code object lies in this block. True: [`code_objects::freed`] will tell when it is freed.
pub fn watch_code(abs_addr: u64) -> bool {
    // Reference counts lie before it where it is collected; code objects are not.
    slot(abs_addr).is_some_and(|slot| {
        let before = slot.load(Relaxed);
        before != 0
            && slot
                .compare_exchange(before, before | IS_CODE, AcqRel, Acquire)
                .is_ok()
    })
}

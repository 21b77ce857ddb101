//! Stacks, each kept once. A stack is a node in a tree of frames whose root is the
//! outermost one, so that stacks share what they have in common: from the program's
//! start to the place where they part. Its number is that of its leaf.
//!
//! Nothing is locked: nodes are never changed once they can be found, and never
//! freed. A cache answers for stacks that were seen before by a hash of the whole.

use crate::arena::{Table, Zeroed};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use ffikit_unwind::End;

/// One frame of a stack.
struct Node {
    frame: AtomicU64,
    /// Of its caller; the number of the end reason for an outermost frame.
    parent: AtomicU32,
    /// The next node in the same bucket, 0: none.
    next: AtomicU32,
}

// SAFETY: only atomics.
unsafe impl Zeroed for Node {}

struct Cached {
    hash: AtomicU64,
    /// The stack's number, and 32 other bits of its hash above: two writers may
    /// leave the hash of one beside the number of the other.
    stack: AtomicU64,
}

// SAFETY: only atomics.
unsafe impl Zeroed for Cached {}

const BUCKETS: usize = 1 << 20;
const CACHED: usize = 1 << 18;

/// Numbers below are no frames: 0 is no stack, and 1 + code the empty stack that ended so.
const FIRST: u32 = 1 + End::ALL.len() as u32;

static NODES: Table<Node> = Table::new();
static LAST_BUCKETS: Table<AtomicU32> = Table::new();
static CACHE: Table<Cached> = Table::new();
static USED: AtomicU32 = AtomicU32::new(FIRST);
/// Part of all hashes: see [`forget`].
static EPOCH: AtomicU64 = AtomicU64::new(0);
/// Distinct stacks that were seen, about: for statistics.
static STACKS: AtomicU64 = AtomicU64::new(0);

/// How many bytes a frame takes.
pub const NODE_BYTES: usize = size_of::<Node>();

/// Makes room for `nodes` frames of all stacks together. False: there is no memory.
pub fn prepare(nodes: usize) -> bool {
    let nodes = nodes.clamp(1 << 12, u32::MAX as usize >> 1);
    NODES.reserve(nodes) && prepare_lookup()
}

/// Makes room for what finds them; the stacks themselves will lie in a file ([`begin_in`]).
pub fn prepare_lookup() -> bool {
    LAST_BUCKETS.reserve(BUCKETS) && CACHE.reserve(CACHED)
}

/// Says whether the first so many bytes of the nodes may be used.
type Ready = fn(u64) -> bool;
static READY: OnceReady = OnceReady(AtomicUsize::new(0));

struct OnceReady(AtomicUsize);

impl OnceReady {
    fn get(&self) -> Option<Ready> {
        let function = self.0.load(Acquire);
        // SAFETY: only ever a function of this type.
        (function != 0).then(|| unsafe { core::mem::transmute::<usize, Ready>(function) })
    }
}

/// Begins with no stacks, in `nodes` nodes from `start`, of which `ready` gives the use.
/// No other thread is there.
pub fn begin_in(start: *mut u8, nodes: usize, ready: Ready) {
    READY.0.store(ready as usize, Release);
    NODES.adopt(start.cast(), nodes);
    USED.store(FIRST, Relaxed);
    STACKS.store(0, Relaxed);
    LAST_BUCKETS.clear();
    CACHE.clear();
}

/// What was learned is not found any more, since other code may come to lie at the
/// same addresses: from now on all stacks are new.
pub fn forget() {
    EPOCH.fetch_add(0x9e37_79b9_7f4a_7c15, AcqRel);
}

/// The product of two words, folded: each bit of the result depends on all of both.
#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Two chains of products, so that neither waits for the other.
#[inline(always)]
fn hash_of(frames: &[u64], end: End) -> u64 {
    let seed = EPOCH.load(Relaxed) ^ (end.code() as u64) << 32 ^ frames.len() as u64;
    let (mut one, mut other) = (seed ^ 0x9e37_79b9_7f4a_7c15, seed ^ 0xe703_7ed1_a0b4_28db);
    let mut fours = frames.chunks_exact(4);
    for four in &mut fours {
        one = mix(one ^ four[0], four[1] ^ 0xd6e8_feb8_6659_fd93);
        other = mix(other ^ four[2], four[3] ^ 0x8ebc_6af0_9c88_c6e3);
    }
    for frame in fours.remainder() {
        one = mix(one ^ frame, 0xa076_1d64_78bd_642f);
    }
    mix(one, other ^ 0x5899_65cc_7537_4cc3)
}

/// The number of a stack, leaf first; 0 where there is no more room. `is_new` is
/// called for each frame that is kept for the first time, with its node's number.
#[inline(always)]
pub fn intern(frames: &[u64], end: End, is_new: impl FnMut(u64, u32)) -> u32 {
    let hash = hash_of(frames, end);
    let Some(cached) = CACHE.get(hash as usize % CACHED) else {
        return 0;
    };
    let found = cached.stack.load(Relaxed);
    let check = hash >> 32 ^ hash << 32 >> 42;
    if cached.hash.load(Relaxed) == hash && found >> 32 == check {
        return found as u32;
    }
    let stack = insert(frames, end, is_new);
    if stack != 0 {
        cached.stack.store(stack as u64 | check << 32, Relaxed);
        cached.hash.store(hash, Relaxed);
    }
    stack
}

#[cold]
#[inline(never)]
fn insert(frames: &[u64], end: End, mut is_new: impl FnMut(u64, u32)) -> u32 {
    let mut stack = 1 + end.code();
    let mut created = false;
    for &frame in frames.iter().rev() {
        let (node, new) = child(stack, frame);
        if node == 0 {
            return 0;
        }
        if new {
            is_new(frame, node);
        }
        created = new;
        stack = node;
    }
    if created {
        STACKS.fetch_add(1, Relaxed);
    }
    stack
}

/// The node of `frame` below `parent`, and whether it is new; 0: there is no more room.
fn child(parent: u32, frame: u64) -> (u32, bool) {
    let hash = mix(
        frame ^ EPOCH.load(Relaxed) ^ 0x9e37_79b9_7f4a_7c15,
        parent as u64 ^ 0xd6e8_feb8_6659_fd93,
    );
    let Some(bucket) = LAST_BUCKETS.get(hash as usize % BUCKETS) else {
        return (0, false);
    };
    let mut own = 0;
    let mut seen = 0;
    loop {
        let last = bucket.load(Acquire);
        let mut at = last;
        while at != seen {
            let Some(node) = NODES.get(at as usize) else {
                break;
            };
            if node.frame.load(Relaxed) == frame && node.parent.load(Relaxed) == parent {
                return (at, false);
            }
            at = node.next.load(Relaxed);
        }
        if own == 0 {
            own = USED.fetch_add(1, Relaxed);
            let is_ready = |_: &&Node| {
                let used_bytes = (own as u64 + 1) * NODE_BYTES as u64;
                READY.get().is_none_or(|ready| ready(used_bytes))
            };
            let Some(node) = NODES.get(own as usize).filter(is_ready) else {
                USED.fetch_sub(1, Relaxed);
                return (0, false);
            };
            node.frame.store(frame, Relaxed);
            node.parent.store(parent, Relaxed);
        }
        let Some(node) = NODES.get(own as usize) else {
            return (0, false);
        };
        node.next.store(last, Relaxed);
        if bucket.compare_exchange(last, own, Release, Relaxed).is_ok() {
            return (own, true);
        }
        // Others were faster; only what they have put before is new to us.
        seen = last;
    }
}

/// Calls `each` with the frames of a stack, leaf first, until it returns false, and
/// gives why the walk ended there. None: there is no such stack.
pub fn read(stack: u32, mut each: impl FnMut(u64) -> bool) -> Option<End> {
    let mut at = stack;
    while at >= FIRST {
        let node = NODES.get(at as usize)?;
        if !each(node.frame.load(Relaxed)) {
            break;
        }
        at = node.parent.load(Relaxed);
    }
    while at >= FIRST {
        at = NODES.get(at as usize)?.parent.load(Relaxed);
    }
    End::ALL.get(at.checked_sub(1)? as usize).copied()
}

/// How many numbers there may be.
pub fn capacity() -> usize {
    NODES.len()
}

/// How many distinct stacks there are, about.
pub fn count() -> u64 {
    STACKS.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_share_what_they_have_in_common() {
        assert!(prepare(1 << 12));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    let stacks =
                        (0..200u64).map(|leaf| intern(&[leaf + 1000, 3, 2, 1], End::Complete, |_, _| ()));
                    stacks.collect::<Vec<_>>()
                })
            })
            .collect();
        let found: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(
            found.iter().all(|stacks| *stacks == found[0]),
            "the same numbers in all threads"
        );
        for (leaf, stack) in (1000..).zip(&found[0]) {
            let mut frames = vec![];
            let end = read(*stack, |frame| {
                frames.push(frame);
                true
            });
            assert_eq!((frames, end), (vec![leaf, 3, 2, 1], Some(End::Complete)));
        }
        assert_ne!(
            intern(&[1], End::Complete, |_, _| ()),
            intern(&[1], End::NoCfi, |_, _| ())
        );
        // Full: no number, and no end of what is kept.
        let deep: Vec<_> = (0..5000).collect();
        assert_eq!(intern(&deep, End::Complete, |_, _| ()), 0);
        assert_eq!(intern(&[1000, 3, 2, 1], End::Complete, |_, _| ()), found[0][0]);
    }
}

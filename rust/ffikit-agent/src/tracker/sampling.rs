//! Sampling by bytes: allocations are tracked as a Poisson process over the bytes that
//! are asked for would hit them, one hit in so many bytes on average. Each block that is
//! tracked stands for as many as would have been missed, so that sums are right on
//! average, whatever the sizes.

use crate::thread::{self, Own};
use core::sync::atomic::{AtomicU64, AtomicU8, Ordering::*};

/// The mean distance between two hits, in bytes; 0: every allocation is tracked.
static SAMPLE_BYTES: AtomicU64 = AtomicU64::new(0);

/// How many tracked blocks there are for each hash of their address. A free of any
/// other block is known by it without another look.
static FILTER: [AtomicU8; FILTER_LEN] = [const { AtomicU8::new(0) }; FILTER_LEN];
const FILTER_LEN: usize = 1 << 15;

/// Sets the mean distance, before anything is tracked.
pub fn set(sample_bytes: u64) {
    SAMPLE_BYTES.store(sample_bytes, Relaxed);
}

/// The mean distance; 0: there is no sampling.
pub fn sample_bytes() -> u64 {
    SAMPLE_BYTES.load(Relaxed)
}

/// Whether the calling thread's next `len_bytes` are hit.
#[inline(always)]
pub fn hits(len_bytes: usize) -> bool {
    let own = thread::own();
    let left = own.left.load(Relaxed).wrapping_sub(len_bytes as u64);
    own.left.store(left, Relaxed);
    left as i64 <= 0 && draw(own, len_bytes)
}

/// The distance to the next hit is over, or was never drawn.
#[cold]
#[inline(never)]
fn draw(own: &Own, len_bytes: usize) -> bool {
    let is_first = own.random.load(Relaxed) == 0;
    if is_first {
        let seed = thread::pointer() ^ crate::evidence::now(libc::CLOCK_MONOTONIC) << 16;
        own.random.store(seed | 1, Relaxed);
    }
    let left = distance(own);
    own.left.store(left, Relaxed);
    if !is_first {
        return true;
    }
    // These bytes are the first of that distance.
    let left = left.wrapping_sub(len_bytes as u64);
    own.left.store(left, Relaxed);
    let is_hit = left as i64 <= 0;
    if is_hit {
        own.left.store(distance(own), Relaxed);
    }
    is_hit
}

/// A random distance, exponentially distributed.
fn distance(own: &Own) -> u64 {
    let mut random = own.random.load(Relaxed);
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    own.random.store(random, Relaxed);
    // In (0, 1], of 53 bits.
    let uniform = ((random >> 11) + 1) as f64 / (1u64 << 53) as f64;
    let distance = -ln(uniform) * sample_bytes() as f64;
    (distance as u64).clamp(1, i64::MAX as u64)
}

/// What a tracked block counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    pub blocks: u64,
    pub len_bytes: u64,
}

/// The weight of a block: 1 / (1 − e^(−len / sample)) blocks of its size. It is the same when it is freed.
#[inline(always)]
pub fn weight(len_bytes: u64) -> Weight {
    match sample_bytes() {
        0 => Weight { blocks: 1, len_bytes },
        sample_bytes => weight_of(len_bytes, sample_bytes),
    }
}

#[cold]
fn weight_of(len_bytes: u64, sample_bytes: u64) -> Weight {
    // A block of no bytes is never hit, but may be tracked where an allocator rounds up.
    let expected = len_bytes.max(1) as f64 / sample_bytes as f64;
    let probability = 1.0 - exp_of_minus(expected);
    let blocks = (1.0 / probability + 0.5) as u64;
    let len_bytes = (len_bytes as f64 / probability + 0.5) as u64;
    Weight { blocks, len_bytes }
}

#[inline(always)]
fn filter(abs_addr: u64) -> Option<&'static AtomicU8> {
    // Blocks are aligned; allocators differ in how they spread them.
    let hash = abs_addr.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_LEN.trailing_zeros());
    FILTER.get(hash as usize)
}

/// Whether a block may be tracked: what is not surely is not.
#[inline(always)]
pub fn may_be_tracked(abs_addr: u64) -> bool {
    filter(abs_addr).is_none_or(|count| count.load(Relaxed) != 0)
}

/// A count that was full once stays so.
const FULL: u8 = u8::MAX;

/// A block is tracked from now on.
pub fn kept(abs_addr: u64) {
    if let Some(count) = filter(abs_addr) {
        let _ = count.fetch_update(Relaxed, Relaxed, |n| (n != FULL).then(|| n + 1));
    }
}

/// A tracked block is gone.
pub fn gone(abs_addr: u64) {
    if let Some(count) = filter(abs_addr) {
        let _ = count.fetch_update(Relaxed, Relaxed, |n| (n != FULL && n != 0).then(|| n - 1));
    }
}

/// Forgets all blocks: those of the parent, in a child of fork.
pub fn clear() {
    for count in &FILTER {
        count.store(0, Relaxed);
    }
}

/// The natural logarithm of a number in (0, 1], without the mathematics library: by
/// ln m = 2 artanh((m − 1) / (m + 1)) for the mantissa m in [1, 2).
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut sum, mut power, mut n) = (0.0, t, 1.0);
    while n < 40.0 {
        sum += power / n;
        power *= t * t;
        n += 2.0;
    }
    exponent as f64 * core::f64::consts::LN_2 + 2.0 * sum
}

/// e^(−x) for x ≥ 0: of x / 2^k by its series, then squared k times.
fn exp_of_minus(x: f64) -> f64 {
    if x > 700.0 {
        return 0.0;
    }
    let (mut small, mut halvings) = (x, 0);
    while small > 0.125 {
        small *= 0.5;
        halvings += 1;
    }
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..12 {
        term *= -small / n as f64;
        sum += term;
    }
    for _ in 0..halvings {
        sum *= sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_powers_are_those_of_the_mathematics_library() {
        for i in 1..10_000 {
            let x = i as f64 / 10_000.0;
            assert!((ln(x) - x.ln()).abs() < 1e-12 * (1.0 + x.ln().abs()), "ln {x}");
            let y = x * 50.0;
            assert!((exp_of_minus(y) - (-y).exp()).abs() < 1e-12, "exp -{y}");
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(exp_of_minus(1e9), 0.0);
    }

    #[test]
    fn weights_are_what_was_missed() {
        let sample = 512 << 10;
        // A small block is hit once in sample / len times.
        let small = weight_of(64, sample);
        assert_eq!(small.blocks, 8193, "by 1 / (1 − e^(−1/8192))");
        assert_eq!(small.len_bytes.div_ceil(64), 8193);
        // A large one always.
        assert_eq!(
            weight_of(64 << 20, sample),
            Weight {
                blocks: 1,
                len_bytes: 64 << 20
            }
        );
        assert_eq!(weight_of(0, sample).len_bytes, 0);
    }
}

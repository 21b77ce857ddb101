//! Places in Python code, each kept once, with its names: code objects die, and
//! by the time of the report nobody could say any more what ran there.
//!
//! As with stacks nothing is locked, changed or freed.

use crate::arena::{Table, Zeroed};
use crate::{audit, code_objects, tracker};
use core::cell::UnsafeCell;
use core::fmt::Write as _;
use core::hash::{Hash, Hasher};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::*};
use ffikit_unwind::module::Module;
use ffikit_unwind::python::{self, Interpreter, Site};
use ffikit_unwind::Frame;

/// A site and what is known of it. All but `next` is written before it can be found.
pub struct Known {
    site: UnsafeCell<MaybeUninit<Site>>,
    /// The next one in the same bucket, 0: none.
    next: AtomicU32,
    line: AtomicU32,
    first_line: AtomicU32,
    /// Where its names are among the texts: start << 16 | length.
    function: AtomicU64,
    file: AtomicU64,
}

// SAFETY: the site is written by the one who drew its number, and read only by who found that.
unsafe impl Sync for Known {}
// SAFETY: atomics, and a site that may be anything.
unsafe impl Zeroed for Known {}

/// As many as the reader of evidence takes.
const SITES: usize = 1 << 18;
const BUCKETS: usize = 1 << 16;
const TEXT_BYTES: usize = 1 << 26;
/// The longest of both names together; what is longer is cut.
const NAMES_BYTES: usize = 2048;

static KNOWN: Table<Known> = Table::new();
static LAST_BUCKETS: Table<AtomicU32> = Table::new();
static TEXTS: Table<AtomicU8> = Table::new();
/// Number 0 is a place of which nothing is known.
static USED: AtomicU32 = AtomicU32::new(1);
static TEXT_USED: AtomicU64 = AtomicU64::new(0);

/// Reserves the tables. False: there is no memory.
pub fn prepare() -> bool {
    KNOWN.reserve(SITES)
        && LAST_BUCKETS.reserve(BUCKETS)
        && TEXTS.reserve(TEXT_BYTES)
        && CACHE.reserve(CACHED)
}

/// How many numbers there may be.
pub fn capacity() -> usize {
    SITES
}

/// Replaces the frames of the interpreter by their sites: those frames are gone
/// when the hook returns.
#[inline(always)]
pub fn replace(frames: &mut [Frame]) {
    if let Some(interpreter) = python::interpreter() {
        replace_of(interpreter, frames);
    }
}

fn replace_of(interpreter: &'static Interpreter, frames: &mut [Frame]) {
    let mut caller = 0;
    for frame in frames {
        if let Some(running) = frame.python_frame() {
            // What comes before is the interpreter's loop, or another frame that it runs.
            if !tracker::is_active() {
                audit::seen(caller);
            }
            *frame = Frame::python(number_of(interpreter, running) as u64);
        } else {
            caller = frame.bits();
        }
    }
}

/// A site that was found before, by the addresses of its code and instruction. Two
/// writers may leave the halves of two entries, so both have a part of the hash.
struct Cached {
    hash: AtomicU64,
    /// The site, how many code objects had been freed, and other bits of the hash.
    site: AtomicU64,
}

// SAFETY: only atomics.
unsafe impl Zeroed for Cached {}

const CACHED: usize = 1 << 13;
const FREED_BITS: u32 = 24;
const CHECK_SHIFT: u32 = SITES.trailing_zeros() + FREED_BITS;
static CACHE: Table<Cached> = Table::new();

/// The site of a frame. Telling one code object from the next at its address takes
/// long (3.11 has no numbers for them), so where the sanitizer tells of its death it is done once.
#[inline(always)]
fn number_of(interpreter: &'static Interpreter, running: u64) -> u32 {
    let Some(place) = python::place(interpreter, running) else {
        return 0;
    };
    let mut mixer = Mixer(0);
    mixer.write_u64(place.code);
    mixer.write_u64(place.instruction);
    let hash = mixer.finish() ^ mixer.finish() >> 32;
    // Read before the code object is looked at: one that dies meanwhile is not taken for the next.
    let freed = (code_objects::freed() % (1 << FREED_BITS)) << SITES.trailing_zeros();
    let check = freed | hash.wrapping_mul(0xd6e8_feb8_6659_fd93) >> CHECK_SHIFT << CHECK_SHIFT;
    let Some(cached) = CACHE.get(hash as usize % CACHED) else {
        return 0;
    };
    let site = cached.site.load(Relaxed);
    if cached.hash.load(Relaxed) == hash && site & !(SITES as u64 - 1) == check && site != check {
        return (site - check) as u32;
    }
    let Some(site) = python::site(interpreter, running) else {
        return 0;
    };
    let number = intern(interpreter, &site);
    // Code of frozen modules lies in the interpreter's own data.
    let is_watched = || Module::find(place.code).is_some() || code_objects::watch(place.code);
    if number != 0 && is_watched() {
        cached.site.store(number as u64 | check, Relaxed);
        cached.hash.store(hash, Relaxed);
    }
    number
}

struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(*byte as u64);
        }
    }

    #[inline(always)]
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline(always)]
    fn write_u32(&mut self, value: u32) {
        self.write_u64(value as u64);
    }

    #[inline(always)]
    fn write_i32(&mut self, value: i32) {
        self.write_u64(value as u64);
    }
}

/// The number of a site; 0 where there is no more room.
#[inline(always)]
fn intern(interpreter: &Interpreter, site: &Site) -> u32 {
    let mut mixer = Mixer(0);
    site.hash(&mut mixer);
    let Some(bucket) = LAST_BUCKETS.get((mixer.finish() >> 40) as usize % BUCKETS) else {
        return 0;
    };
    match find(bucket.load(Acquire), 0, site) {
        0 => keep(interpreter, site, bucket),
        known => known,
    }
}

/// Looks for a site in a bucket, from one entry until another.
#[inline(always)]
fn find(from: u32, until: u32, site: &Site) -> u32 {
    let mut at = from;
    while at != until {
        let Some(known) = KNOWN.get(at as usize) else {
            return 0;
        };
        // SAFETY: what can be found was written before.
        if unsafe { (*known.site.get()).assume_init_ref() } == site {
            return at;
        }
        at = known.next.load(Relaxed);
    }
    0
}

#[cold]
#[inline(never)]
fn keep(interpreter: &Interpreter, site: &Site, bucket: &AtomicU32) -> u32 {
    let mut buffer = [0; NAMES_BYTES];
    let described = python::describe(interpreter, site, &mut buffer);
    let number = USED.fetch_add(1, Relaxed);
    let Some(known) = KNOWN.get(number as usize) else {
        USED.fetch_sub(1, Relaxed);
        return 0;
    };
    // SAFETY: the number was drawn by this thread alone, and nobody has seen it.
    unsafe { (*known.site.get()).write(*site) };
    known.first_line.store(site.first_line(), Relaxed);
    if let Some(described) = described {
        known.line.store(described.line, Relaxed);
        known.function.store(keep_text(described.function), Relaxed);
        known.file.store(keep_text(described.file), Relaxed);
    }
    let mut seen = 0;
    loop {
        let last = bucket.load(Acquire);
        let others = find(last, seen, site);
        if others != 0 {
            // Its own number is wasted.
            return others;
        }
        known.next.store(last, Relaxed);
        if bucket.compare_exchange(last, number, Release, Relaxed).is_ok() {
            return number;
        }
        seen = last;
    }
}

fn keep_text(text: &str) -> u64 {
    let len = text.len().min(NAMES_BYTES);
    let start = TEXT_USED.fetch_add(len as u64, Relaxed);
    if start + len as u64 > TEXT_BYTES as u64 {
        TEXT_USED.fetch_sub(len as u64, Relaxed);
        return 0;
    }
    for (index, byte) in text.bytes().take(len).enumerate() {
        if let Some(to) = TEXTS.get(start as usize + index) {
            to.store(byte, Relaxed);
        }
    }
    start << 16 | len as u64
}

fn text(place: u64) -> impl Iterator<Item = u8> {
    let (start, len) = ((place >> 16) as usize, (place & 0xffff) as usize);
    (start..start + len).filter_map(|at| Some(TEXTS.get(at)?.load(Relaxed)))
}

/// What is known of a site.
pub fn get(number: u32) -> Option<&'static Known> {
    KNOWN.get(number as usize)
}

impl Known {
    /// The qualified name of the function.
    pub fn function(&self) -> impl Iterator<Item = u8> {
        text(self.function.load(Relaxed))
    }

    /// The file, as the code object names it.
    pub fn file(&self) -> impl Iterator<Item = u8> {
        text(self.file.load(Relaxed))
    }

    /// The line that was executed; 0: unknown.
    pub fn line(&self) -> u32 {
        self.line.load(Relaxed)
    }

    /// Where the function begins; 0: unknown.
    pub fn first_line(&self) -> u32 {
        self.first_line.load(Relaxed)
    }
}

/// Why the frames of an interpreter that is there are not read; None: they are,
/// or there is none.
pub fn refusal() -> Option<Text> {
    let refusal = python::refused()?;
    let mut text = Text {
        bytes: [0; 160],
        len: 0,
    };
    // What does not fit is cut.
    let _ = write!(text, "{refusal}");
    Some(text)
}

/// A short text.
pub struct Text {
    bytes: [u8; 160],
    len: usize,
}

impl Text {
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl core::fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> core::fmt::Result {
        for byte in part.bytes() {
            if let Some(to) = self.bytes.get_mut(self.len) {
                *to = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

//! The heap trace of this process, `go/trace/HEAP.md`: a file that is mapped, so
//! that what is written is there for others at once, and stays when the process is
//! killed.
//!
//! A page that is touched where the disk is full would end the process (SIGBUS). So
//! the kernel is asked for each part before it is used, and what it refuses is not
//! there: what does not fit any more is counted, not kept.

use crate::arena::{Table, Zeroed};
use crate::{file, thread};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::*};

pub const VERSION: u32 = 1;
const HEADER_BYTES: u64 = 4096;
/// As much is asked for at once.
const PART_BYTES: u64 = 64 << 10;

/// The first page of the file. What is at which offset is HEAP.md's.
#[repr(C)]
pub struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    machine: AtomicU32,
    process: AtomicU32,
    parent: AtomicU32,
    started_ns: AtomicU64,
    sample_bytes: AtomicU64,
    regions: [Extent; 3],
    reserved: [AtomicU64; 5],
    pub used: [AtomicU64; 3],
    /// Milliseconds since the start, of the last thing that was counted.
    pub now_ms: AtomicU64,
    pub lost_blocks: AtomicU64,
    pub lost_stacks: AtomicU64,
    pub lost_names: AtomicU64,
    /// Written by others: 1 to count, 2 not to.
    pub wanted: AtomicU32,
    /// What is done: 1 counting, 2 not, 3 the process ended in an orderly way, 4 nothing: a note says why.
    pub state: AtomicU32,
}

/// Where a region lies in the file, and how much of it may be used.
#[repr(C)]
struct Extent {
    offset: AtomicU64,
    capacity: AtomicU64,
}

// SAFETY: only atomics.
unsafe impl Zeroed for Header {}

/// The parts of the file behind its header.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Region {
    /// Frames of stacks: [`crate::stacks`].
    Nodes = 0,
    /// What was counted for each stack: [`super::counts`].
    Counts = 1,
    /// Records: [`super::records`].
    Log = 2,
}

const MAGIC: u64 = u64::from_le_bytes(*b"FFIKHEAP");
const REGIONS: usize = 3;

static HEADER: Table<Header> = Table::new();
static BYTES: Table<AtomicU8> = Table::new();
/// How many bytes of each region the kernel has granted.
static GRANTED: [AtomicU64; REGIONS] = [const { AtomicU64::new(0) }; REGIONS];
static STARTS: [AtomicU64; REGIONS] = [const { AtomicU64::new(0) }; REGIONS];
static LENS: [AtomicU64; REGIONS] = [const { AtomicU64::new(0) }; REGIONS];
/// The number of our file among those of the programs that this process became one after the other.
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub fn header() -> Option<&'static Header> {
    HEADER.get(0)
}

/// Makes the file of this process, with regions of `lens` bytes. False: it cannot be
/// made; nothing is tracked then.
pub fn create(lens: [u64; REGIONS], sample_bytes: u64, started_ns: u64) -> bool {
    let lens = lens.map(|len| len.next_multiple_of(PART_BYTES));
    let total = HEADER_BYTES + lens.iter().sum::<u64>();
    if total > largest_file() {
        return false;
    }
    let place = BYTES.start();
    let Some(start) = map(total, place) else {
        return false;
    };
    if place.is_null() {
        HEADER.adopt(start.cast(), 1);
        BYTES.adopt(start.cast(), total as usize);
    }
    let mut offset = HEADER_BYTES;
    for ((known_start, known_len), len) in STARTS.iter().zip(&LENS).zip(lens) {
        known_start.store(offset, Relaxed);
        known_len.store(len, Relaxed);
        offset += len;
    }
    for granted in &GRANTED {
        granted.store(0, Relaxed);
    }
    if !grant(0, HEADER_BYTES) {
        return false;
    }
    let Some(header) = header() else { return false };
    header.version.store(VERSION, Relaxed);
    header.machine.store(machine(), Relaxed);
    header.process.store(thread::process(), Relaxed);
    // SAFETY: cannot fail.
    let parent = unsafe { libc::syscall(libc::SYS_getppid) } as u32;
    header.parent.store(parent, Relaxed);
    header.started_ns.store(started_ns, Relaxed);
    header.sample_bytes.store(sample_bytes, Relaxed);
    for (region, (start, len)) in header.regions.iter().zip(STARTS.iter().zip(&LENS)) {
        region.offset.store(start.load(Relaxed), Relaxed);
        region.capacity.store(len.load(Relaxed), Relaxed);
    }
    header.magic.store(MAGIC.to_le(), Release);
    true
}

/// Where the file of this process is.
pub fn path() -> file::Path {
    file::Path::of(thread::process(), None).numbered(NUMBER.load(Relaxed))
}

/// How large files may be: to ask for a larger one would end the process (SIGXFSZ).
fn largest_file() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is ours to write.
    let status = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) };
    if status == 0 {
        limit.rlim_cur
    } else {
        0
    }
}

fn machine() -> u32 {
    const EM_X86_64: u32 = 62;
    const EM_AARCH64: u32 = 183;
    if cfg!(target_arch = "aarch64") {
        EM_AARCH64
    } else {
        EM_X86_64
    }
}

/// Maps a new file of `total` bytes, at `place` if that is not null.
fn map(total: u64, place: *mut AtomicU8) -> Option<*mut u8> {
    let process = thread::process();
    let descriptor = (0..64).find_map(|number| {
        let path = file::Path::of(process, None).numbered(number);
        let descriptor = path.open(libc::O_RDWR | libc::O_CREAT | libc::O_EXCL);
        NUMBER.store(number, Relaxed);
        (descriptor >= 0).then_some(descriptor)
    })?;
    // SAFETY: our own descriptor, and a mapping of it: at a place of the kernel's choice, or in
    // place of our own earlier mapping of the same length.
    let start = unsafe {
        let fixed = if place.is_null() { 0 } else { libc::MAP_FIXED };
        let sized = libc::syscall(libc::SYS_ftruncate, descriptor, total) == 0;
        let start = if sized {
            libc::syscall(
                libc::SYS_mmap,
                place,
                total,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_NORESERVE | fixed,
                descriptor,
                0usize,
            )
        } else {
            -1
        };
        if start > 0 {
            libc::syscall(libc::SYS_madvise, start, total, libc::MADV_DONTDUMP);
            // Else the kernel reads ahead, megabytes of nothing: most of what tracking a short program costs.
            libc::syscall(libc::SYS_madvise, start, total, libc::MADV_RANDOM);
        }
        start
    };
    // Nothing needs it any more: programs close what they do not know, and count on low numbers.
    file::close(descriptor);
    (start > 0).then_some(start as *mut u8)
}

/// Asks the kernel for the pages of a part of the file.
fn grant(offset: u64, len_bytes: u64) -> bool {
    let start = BYTES.start() as u64 + offset;
    // SAFETY: our own mapping; where there is no room on the disk this is an error, and no signal.
    let status = unsafe { libc::syscall(libc::SYS_madvise, start, len_bytes, libc::MADV_POPULATE_WRITE) };
    status == 0
}

/// Whether the first `len_bytes` of a region may be used. Cold: a part at a time.
pub fn ready(region: Region, len_bytes: u64) -> bool {
    let region = region as usize;
    let (Some(granted), Some(start), Some(len)) = (GRANTED.get(region), STARTS.get(region), LENS.get(region))
    else {
        return false;
    };
    if len_bytes > len.load(Relaxed) {
        return false;
    }
    loop {
        let known = granted.load(Acquire);
        if len_bytes <= known {
            return true;
        }
        if !grant(start.load(Relaxed) + known, PART_BYTES) {
            return false;
        }
        granted.fetch_max(known + PART_BYTES, AcqRel);
    }
}

/// Where a region starts in memory.
pub fn start_of(region: Region) -> *mut u8 {
    let offset = STARTS.get(region as usize).map_or(0, |start| start.load(Relaxed));
    // SAFETY: regions lie in the mapping.
    unsafe { BYTES.start().cast::<u8>().add(offset as usize) }
}

/// What others are told is used of a region grows.
pub fn publish(region: Region, used: u64) {
    if let Some(used_so_far) = header().and_then(|header| header.used.get(region as usize)) {
        used_so_far.fetch_max(used, Release);
    }
}

/// A word that a child of fork finds zero, however it was made.
pub struct WipedOnFork(Table<AtomicU32>);

impl WipedOnFork {
    pub const fn new() -> WipedOnFork {
        WipedOnFork(Table::new())
    }

    /// Reserves the word's page. False: the kernel does not know such pages (before 4.14).
    pub fn prepare(&self) -> bool {
        const PAGE_WORDS: usize = 1024;
        // SAFETY: our own new mapping.
        self.0.reserve(PAGE_WORDS)
            && unsafe {
                let len_bytes = PAGE_WORDS * size_of::<u32>();
                libc::syscall(
                    libc::SYS_madvise,
                    self.0.start(),
                    len_bytes,
                    libc::MADV_WIPEONFORK,
                ) == 0
            }
    }

    #[inline(always)]
    pub fn load(&self) -> u32 {
        self.0.get(0).map_or(0, |word| word.load(Relaxed))
    }

    pub fn store(&self, value: u32) {
        if let Some(word) = self.0.get(0) {
            word.store(value, Release);
        }
    }
}

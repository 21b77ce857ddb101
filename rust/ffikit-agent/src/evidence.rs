//! The evidence file of this process, as `go/trace/FORMAT.md` says. Each record is
//! written by one write(2) as soon as it is known: a process may end at any moment,
//! and Go's ends without telling.

use crate::arena::Table;
use crate::notes::{self, Note};
use crate::{file, log, modules, sites, stacks, thread};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::*};
use ffikit_unwind::{End, Frame};

const MODULE: u32 = 1;
const PYTHON_CODE: u32 = 2;
const STACK: u32 = 3;
const REPORT_STACK: u32 = 4;
const NOTE: u32 = 5;
const END: u32 = 6;

/// The longest record; FORMAT.md's reader takes 1 MiB.
const RECORD_BYTES: usize = 1 << 18;

/// As the reader: frames of a stack.
pub const MAX_FRAMES: usize = 4096;

/// What a stack is in a report.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Role {
    Fault = 0,
    Free = 1,
    Allocation = 2,
    Thread = 3,
    Leak = 4,
}

/// A stack of a report.
pub struct ReportStack<'a> {
    pub sequence: u32,
    pub role: Role,
    pub thread: u32,
    /// Its number in the file.
    pub stack: u32,
    pub abs_addr: u64,
    pub pc: u64,
    pub kind: &'a [u8],
}

/// The numbers that things have in the file, plus one; by their numbers in memory.
struct Written {
    stacks: Table<AtomicU32>,
    sites: Table<AtomicU32>,
    modules: Table<AtomicU32>,
}

static WRITTEN: Written = Written {
    stacks: Table::new(),
    sites: Table::new(),
    modules: Table::new(),
};

static RECORD: Table<AtomicU8> = Table::new();

/// The writer of one process's file.
pub struct Writer {
    process: u32,
    file: file::File,
    /// The sanitizer's log, as far as it was read.
    pub log: log::Reader,
    next_module: u32,
    next_site: u32,
    next_stack: u32,
    /// How many reports are recorded: the sequence of the next one.
    pub recorded: u32,
    notes: u32,
    /// Whether [`WRITTEN`] is about this file.
    remembers: bool,
    len: usize,
}

impl Writer {
    const fn new(remembers: bool) -> Writer {
        Writer {
            process: 0,
            file: file::File::new(),
            log: log::Reader::new(),
            next_module: 0,
            next_site: 0,
            next_stack: 0,
            recorded: 0,
            notes: 0,
            remembers,
            len: 0,
        }
    }

    /// The process that the file is of.
    pub fn process(&self) -> u32 {
        self.process
    }

    fn start_over(&mut self, process: u32) {
        *self = Writer::new(self.remembers);
        self.process = process;
        if self.remembers {
            WRITTEN.stacks.clear();
            WRITTEN.sites.clear();
            WRITTEN.modules.clear();
        }
    }
}

/// The program's own writer, and that of a child that shares our memory (vfork,
/// clone) or was made behind the C library's back.
struct Writers([UnsafeCell<Writer>; 2]);

// SAFETY: only who holds LOCK touches them.
unsafe impl Sync for Writers {}

static WRITERS: Writers = Writers([
    UnsafeCell::new(Writer::new(true)),
    UnsafeCell::new(Writer::new(false)),
]);

/// Process << 32 | thread of who writes; 0: nobody. Never held while a stack is walked.
static LOCK: AtomicU64 = AtomicU64::new(0);
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Makes room. False: there is no memory.
pub fn prepare() -> bool {
    OWNER.store(thread::process(), Relaxed);
    RECORD.reserve(RECORD_BYTES)
}

/// Makes room for the numbers in the file, once it is known how many there may be.
pub fn prepare_numbers() -> bool {
    WRITTEN.stacks.reserve(stacks::capacity())
        && WRITTEN.sites.reserve(sites::capacity())
        && WRITTEN.modules.reserve(modules::capacity())
}

/// Writes at once why there is nothing: no report may come to tell it with.
pub fn tell(missing: Note) {
    notes::note(missing);
    with(Writer::open);
}

/// In the child of fork: it writes a file of its own.
pub extern "C" fn forked() {
    OWNER.store(thread::process(), Relaxed);
    // What a thread of the parent held nobody will give back here.
    LOCK.store(0, Relaxed);
}

/// The writers' lock, held by this thread of this process.
struct Held(u64);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = LOCK.compare_exchange(self.0, 0, Release, Relaxed);
    }
}

/// How long a report waits for another thread's: as long as ASan's own reports may take.
const PATIENCE_NS: u64 = 5_000_000_000;

/// Calls `write` with this process's writer. None: another thread has been at it
/// for too long, or this very thread is, which was interrupted by the report.
pub fn with<R>(write: impl FnOnce(&mut Writer) -> R) -> Option<R> {
    let process = thread::process();
    let me = (process as u64) << 32 | thread::id() as u64;
    let begun = now(libc::CLOCK_MONOTONIC);
    loop {
        let holder = LOCK.load(Relaxed);
        if holder == me {
            return None;
        }
        // vfork's child waits for the parent's other threads: they go on, and share this memory.
        if holder == 0 && LOCK.compare_exchange(0, me, Acquire, Relaxed).is_ok() {
            break;
        }
        if now(libc::CLOCK_MONOTONIC).saturating_sub(begun) > PATIENCE_NS {
            return None;
        }
        // SAFETY: no arguments.
        unsafe { libc::syscall(libc::SYS_sched_yield) };
    }
    let held = Held(me);
    let which = (process != OWNER.load(Relaxed)) as usize;
    let result = WRITERS.0.get(which).map(|writer| {
        // SAFETY: we hold the lock.
        let writer = unsafe { &mut *writer.get() };
        if writer.process != process {
            writer.start_over(process);
        }
        write(writer)
    });
    drop(held);
    result
}

pub fn now(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is ours to write.
    unsafe { libc::clock_gettime(clock, &mut time) };
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

/// When the program started, about: when we were loaded. For the header.
static STARTED: AtomicU64 = AtomicU64::new(0);

pub fn started() {
    STARTED.store(now(libc::CLOCK_REALTIME), Relaxed);
}

impl Writer {
    fn begin(&mut self, kind: u32) {
        self.len = 0;
        self.put_u32(kind);
        self.put_u32(0);
    }

    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(to) = RECORD.get(self.len) {
                to.store(*byte, Relaxed);
                self.len += 1;
            }
        }
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    fn put_string(&mut self, bytes: &[u8]) {
        self.put_u32(bytes.len() as u32);
        self.put(bytes);
    }

    /// Like put_string, where the length is not known before.
    fn put_bytes(&mut self, bytes: impl Iterator<Item = u8>) {
        let at = self.len;
        self.put_u32(0);
        for byte in bytes {
            self.put(&[byte]);
        }
        self.set_u32(at, (self.len - at - 4) as u32);
    }

    fn set_u32(&self, at: usize, value: u32) {
        for (offset, byte) in value.to_le_bytes().iter().enumerate() {
            if let Some(to) = RECORD.get(at + offset) {
                to.store(*byte, Relaxed);
            }
        }
    }

    /// Writes the record that was put together. False: it did not get there.
    fn end(&mut self) -> bool {
        self.set_u32(4, (self.len - 8) as u32);
        self.append()
    }

    fn append(&mut self) -> bool {
        // SAFETY: the first `len` bytes of the table, which only we write.
        let bytes = unsafe { core::slice::from_raw_parts(RECORD.start().cast::<u8>(), self.len) };
        self.file.append(self.process, bytes)
    }

    /// Opens the file if need be, and tells what is missing so far.
    pub fn open(&mut self) -> bool {
        if !self.file.is_begun() {
            self.len = 0;
            self.put(b"FFIKTRC\0");
            self.put_u32(1);
            self.put_u32(if cfg!(target_arch = "aarch64") { 183 } else { 62 });
            self.put_u32(self.process);
            self.put_u32(0);
            self.put_u64(STARTED.load(Relaxed));
            if !self.append() {
                return false;
            }
        }
        let notes = notes::all() & !self.notes;
        for note in Note::ALL {
            if notes & 1 << note as u32 != 0 {
                self.begin(NOTE);
                self.put_string(note.text());
                self.end();
            }
        }
        self.notes |= notes;
        const PYTHON: u32 = 1 << 31;
        if self.notes & PYTHON == 0 {
            if let Some(refusal) = sites::refusal() {
                self.begin(NOTE);
                self.put_string(refusal.bytes());
                self.end();
                self.notes |= PYTHON;
            }
        }
        true
    }

    fn next(counter: &mut u32) -> u32 {
        let id = *counter;
        *counter = id.wrapping_add(1);
        id
    }

    fn module(&mut self, abs_addr: u64) {
        modules::note(abs_addr);
        let Some((index, seen)) = modules::at(abs_addr) else {
            return;
        };
        let place = WRITTEN.modules.get(index).filter(|_| self.remembers);
        if place.is_some_and(|place| place.load(Relaxed) != 0) {
            return;
        }
        let (start, end, bias) = seen.range();
        let (build_id, build_id_len) = seen.build_id();
        self.begin(MODULE);
        self.put_u64(start);
        self.put_u64(end);
        self.put_u64(bias);
        self.put_u32(seen.has_go() as u32);
        self.put_string(build_id.get(..build_id_len).unwrap_or_default());
        self.put_bytes(seen.path());
        if self.end() {
            let id = Self::next(&mut self.next_module);
            if let Some(place) = place {
                place.store(id + 1, Relaxed);
            }
        }
    }

    /// The number of a Python site in the file.
    fn site(&mut self, site: u32) -> u32 {
        let place = WRITTEN.sites.get(site as usize).filter(|_| self.remembers);
        let known = place.map_or(0, |place| place.load(Relaxed));
        if known != 0 {
            return known - 1;
        }
        self.begin(PYTHON_CODE);
        match sites::get(site) {
            Some(known) => {
                self.put_bytes(known.function());
                self.put_bytes(known.file());
                self.put_u32(known.line());
                self.put_u32(known.first_line());
            }
            None => self.put(&[0; 16]),
        }
        self.end();
        let id = Self::next(&mut self.next_site);
        if let Some(place) = place {
            place.store(id + 1, Relaxed);
        }
        id
    }

    /// Writes what a frame refers to, and gives the frame as the file has it.
    fn frame(&mut self, bits: u64) -> u64 {
        match Frame::from_bits(bits).lookup_address() {
            Some(abs_addr) => {
                self.module(abs_addr);
                bits
            }
            None => 1 << 63 | self.site(bits as u32) as u64,
        }
    }

    /// Writes a stack whose Python frames are sites, leaf first; its number in the file.
    pub fn stack(&mut self, frames: &mut [Frame], end: End) -> Option<u32> {
        if !self.open() {
            return None;
        }
        let frames = match frames.get_mut(..MAX_FRAMES) {
            Some(most) => most,
            None => frames,
        };
        for frame in frames.iter_mut() {
            *frame = Frame::from_bits(self.frame(frame.bits()));
        }
        self.begin(STACK);
        self.put_u32(end.code());
        self.put_u32(frames.len() as u32);
        for frame in frames.iter() {
            self.put_u64(frame.bits());
        }
        self.end().then(|| Self::next(&mut self.next_stack))
    }

    /// Writes a stack that is kept ([`stacks`]), if the file does not have it yet; its number in the file.
    pub fn kept_stack(&mut self, stack: u32) -> Option<u32> {
        if stack == 0 || !self.open() {
            return None;
        }
        let place = WRITTEN.stacks.get(stack as usize).filter(|_| self.remembers);
        let known = place.map_or(0, |place| place.load(Relaxed));
        if known != 0 {
            return Some(known - 1);
        }
        let mut count = 0;
        stacks::read(stack, |bits| {
            match Frame::from_bits(bits).lookup_address() {
                Some(abs_addr) => self.module(abs_addr),
                None => _ = self.site(bits as u32),
            }
            count += 1;
            count < MAX_FRAMES
        });
        self.begin(STACK);
        self.put_u64(0);
        let end = stacks::read(stack, |bits| {
            // All is written already: this only gives the numbers.
            let bits = match Frame::from_bits(bits).lookup_address() {
                Some(_) => bits,
                None => 1 << 63 | self.known_site(bits as u32) as u64,
            };
            self.put_u64(bits);
            count -= 1;
            count > 0
        })?;
        self.set_u32(8, end.code());
        self.set_u32(12, ((self.len - 16) / 8) as u32);
        if !self.end() {
            return None;
        }
        let id = Self::next(&mut self.next_stack);
        if let Some(place) = place {
            place.store(id + 1, Relaxed);
        }
        Some(id)
    }

    fn known_site(&self, site: u32) -> u32 {
        WRITTEN
            .sites
            .get(site as usize)
            .map_or(0, |place| place.load(Relaxed).saturating_sub(1))
    }

    /// Writes which part a stack has in a report.
    pub fn report_stack(&mut self, stack: &ReportStack) {
        self.begin(REPORT_STACK);
        self.put_u32(stack.sequence);
        self.put_u32(stack.role as u32);
        self.put_u32(stack.thread);
        self.put_u32(stack.stack);
        self.put_u64(stack.abs_addr);
        self.put_u64(stack.pc);
        self.put_string(stack.kind);
        self.end();
    }

    /// Writes the statistics, if there is a file: a process without reports has none.
    pub fn statistics(&mut self, mallocs: u64, frees: u64, lost: u64) {
        if self.file.is_begun() {
            self.begin(END);
            for count in [mallocs, frees, stacks::count(), lost] {
                self.put_u64(count);
            }
            self.end();
        }
    }
}

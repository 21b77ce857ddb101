//! What the numbers in the file refer to: modules, places in Python code, the
//! program itself. Records are only appended, without a lock: each takes its room,
//! and its kind is written last.

use super::ledger::{self, Region};
use crate::arena::Table;
use crate::{file, modules, sites};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::*};
use ffikit_unwind::Frame;

const MODULE: u32 = 1;
const SITE: u32 = 2;
const NOTE: u32 = 3;
const PROCESS: u32 = 4;
/// The room of a record whose writer has not come to its end.
const UNFINISHED: u32 = 1 << 31;

const HEADER_BYTES: usize = 8;
const MAX_BYTES: usize = 1 << 16;

static USED: AtomicU64 = AtomicU64::new(0);
static LOGGED_SITES: Table<AtomicU8> = Table::new();
static LOGGED_MODULES: Table<AtomicU8> = Table::new();

/// Makes room. False: there is no memory.
pub fn prepare() -> bool {
    LOGGED_SITES.reserve(sites::capacity()) && LOGGED_MODULES.reserve(modules::capacity())
}

/// Begins a file: nothing is in it yet.
pub fn begin() {
    USED.store(0, Relaxed);
    LOGGED_SITES.clear();
    LOGGED_MODULES.clear();
}

/// A record that is being written; what it holds is known before, so it has its length.
struct Record {
    at: *mut u8,
    len: usize,
    used: usize,
}

impl Record {
    /// Takes room for a payload. None: there is none.
    fn begin(payload_bytes: usize) -> Option<Record> {
        if payload_bytes > MAX_BYTES {
            return None;
        }
        let len = (HEADER_BYTES + payload_bytes).next_multiple_of(8);
        let start = USED.fetch_add(len as u64, Relaxed);
        if !ledger::ready(Region::Log, start + len as u64) {
            USED.fetch_sub(len as u64, Relaxed);
            if let Some(header) = ledger::header() {
                header.lost_names.fetch_add(1, Relaxed);
            }
            return None;
        }
        // SAFETY: this part of the region is ready, and nobody else's.
        let at = unsafe { ledger::start_of(Region::Log).add(start as usize) };
        let record = Record {
            at,
            len: HEADER_BYTES + payload_bytes,
            used: HEADER_BYTES,
        };
        record.word(4).store(payload_bytes as u32, Relaxed);
        record.word(0).store(UNFINISHED, Release);
        ledger::publish(Region::Log, start + len as u64);
        Some(record)
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: records are aligned to 8 bytes and have a header.
        unsafe { &*self.at.add(offset).cast::<AtomicU32>() }
    }

    fn put(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes.take(self.len - self.used) {
            // SAFETY: within the record.
            unsafe { self.at.add(self.used).write(byte) };
            self.used += 1;
        }
    }

    fn put_u32(&mut self, value: u32) {
        self.put(value.to_le_bytes().into_iter());
    }

    fn put_u64(&mut self, value: u64) {
        self.put(value.to_le_bytes().into_iter());
    }

    fn put_string(&mut self, len: usize, bytes: impl Iterator<Item = u8>) {
        self.put_u32(len as u32);
        self.put(bytes.take(len));
    }

    fn end(self, kind: u32) {
        self.word(0).store(kind, Release);
    }
}

/// A frame is in the tree for the first time, as node `node`: what it refers to is written.
pub fn new_frame(bits: u64, node: u32) {
    match Frame::from_bits(bits).lookup_address() {
        Some(abs_addr) => module(abs_addr, node),
        None => site(bits as u32),
    }
}

fn is_first(table: &Table<AtomicU8>, index: usize) -> bool {
    table
        .get(index)
        .is_some_and(|logged| logged.swap(1, Relaxed) == 0)
}

fn module(abs_addr: u64, node: u32) {
    modules::note(abs_addr);
    let Some((index, seen)) = modules::at(abs_addr) else {
        return;
    };
    if !is_first(&LOGGED_MODULES, index) {
        return;
    }
    let (start, end, bias) = seen.range();
    let (build_id, build_id_len) = seen.build_id();
    let path_len = seen.path().count();
    let payload_bytes = 4 + 4 + 3 * 8 + 4 + build_id_len + 4 + path_len;
    if let Some(mut record) = Record::begin(payload_bytes) {
        record.put_u32(node);
        record.put_u32(seen.has_go() as u32);
        for word in [start, end, bias] {
            record.put_u64(word);
        }
        record.put_string(build_id_len, build_id.into_iter());
        record.put_string(path_len, seen.path());
        record.end(MODULE);
    }
}

fn site(number: u32) {
    let Some(known) = sites::get(number).filter(|_| is_first(&LOGGED_SITES, number as usize)) else {
        return;
    };
    let (function_len, file_len) = (known.function().count(), known.file().count());
    if let Some(mut record) = Record::begin(3 * 4 + 4 + function_len + 4 + file_len) {
        record.put_u32(number);
        record.put_u32(known.line());
        record.put_u32(known.first_line());
        record.put_string(function_len, known.function());
        record.put_string(file_len, known.file());
        record.end(SITE);
    }
}

/// Something is missing, in words for users.
pub fn note(text: &[u8]) {
    if let Some(mut record) = Record::begin(4 + text.len()) {
        record.put_string(text.len(), text.iter().copied());
        record.end(NOTE);
    }
}

/// What the process runs: its arguments, each with a zero behind it, and its file.
pub fn process() {
    let (mut arguments, mut program) = ([0; 4096], [0; 4096]);
    let len = file::read(c"/proc/self/cmdline", &mut arguments);
    let arguments = arguments.get(..len).unwrap_or_default();
    let len = file::read_link(file::PROGRAM, &mut program);
    let program = program.get(..len).unwrap_or_default();
    if let Some(mut record) = Record::begin(4 + arguments.len() + 4 + program.len()) {
        record.put_string(arguments.len(), arguments.iter().copied());
        record.put_string(program.len(), program.iter().copied());
        record.end(PROCESS);
    }
}

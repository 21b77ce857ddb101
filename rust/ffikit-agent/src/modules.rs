//! The modules that frames lie in, kept when a frame is seen for the first time:
//! by the time of the report a module may be unloaded.

use crate::arena::{Table, Zeroed};
use crate::file;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::*};
use ffikit_unwind::go;
use ffikit_unwind::memory::{copy, copy_u64};
use ffikit_unwind::module::Module;

const BUILD_ID_BYTES: usize = 64;
const PATH_BYTES: usize = 4096;

/// A module that was seen.
pub struct Seen {
    /// 0 until the rest is written.
    start: AtomicU64,
    end: AtomicU64,
    bias: AtomicU64,
    link_map: AtomicU64,
    /// Counts dlclose: what was checked since the last one is still loaded.
    checked: AtomicU32,
    build_id_len: AtomicU32,
    path_len: AtomicU32,
    has_go: AtomicU32,
    build_id: [AtomicU8; BUILD_ID_BYTES],
    path: [AtomicU8; PATH_BYTES],
}

// SAFETY: only atomics.
unsafe impl Zeroed for Seen {}

/// How many modules are kept, those that were unloaded again included.
const MODULES: usize = 4096;

static SEEN: Table<Seen> = Table::new();
static USED: AtomicU32 = AtomicU32::new(0);
static UNLOADS: AtomicU32 = AtomicU32::new(0);

/// Reserves the table. False: there is no memory.
pub fn prepare() -> bool {
    SEEN.reserve(MODULES)
}

/// A module was unloaded: another one may come to lie at its place.
pub fn unloaded() {
    UNLOADS.fetch_add(1, AcqRel);
}

/// How many modules there may be.
pub fn capacity() -> usize {
    MODULES
}

fn newest_with(abs_addr: u64) -> Option<(usize, &'static Seen)> {
    let used = USED.load(Acquire) as usize;
    (0..used.min(MODULES)).rev().find_map(|index| {
        let seen = SEEN.get(index)?;
        let start = seen.start.load(Acquire);
        let is_in = start != 0 && abs_addr >= start && abs_addr < seen.end.load(Relaxed);
        is_in.then_some((index, seen))
    })
}

/// Keeps the module of a frame, if it is new. Allocates nothing, locks nothing.
pub fn note(abs_addr: u64) {
    let unloads = UNLOADS.load(Acquire);
    let known = newest_with(abs_addr);
    if let Some((_, seen)) = known {
        if seen.checked.load(Relaxed) == unloads {
            return;
        }
    }
    let Some(module) = Module::find(abs_addr) else {
        return;
    };
    let mut build_id = [0; BUILD_ID_BYTES];
    let build_id_len = read_build_id(&module, &mut build_id);
    if let Some((_, seen)) = known {
        let same = seen.start.load(Relaxed) == module.start
            && seen.end.load(Relaxed) == module.end
            && seen.bias.load(Relaxed) == module.bias
            && seen.build_id() == (build_id, build_id_len)
            // Without build IDs the loader's own record has to do.
            && (build_id_len != 0 || seen.link_map.load(Relaxed) == module.link_map);
        if same {
            seen.checked.store(unloads, Relaxed);
            return;
        }
    }
    keep(&module, &build_id, build_id_len, unloads);
}

fn keep(module: &Module, build_id: &[u8; BUILD_ID_BYTES], build_id_len: usize, unloads: u32) {
    let index = USED.fetch_add(1, AcqRel);
    let Some(seen) = SEEN.get(index as usize) else {
        USED.fetch_sub(1, AcqRel);
        return;
    };
    seen.end.store(module.end, Relaxed);
    seen.bias.store(module.bias, Relaxed);
    seen.link_map.store(module.link_map, Relaxed);
    seen.checked.store(unloads, Relaxed);
    for (to, from) in seen.build_id.iter().zip(build_id) {
        to.store(*from, Relaxed);
    }
    seen.build_id_len.store(build_id_len as u32, Relaxed);
    seen.has_go.store(go::discover(module).is_some() as u32, Relaxed);
    seen.path_len.store(read_path(module, &seen.path) as u32, Relaxed);
    seen.start.store(module.start, Release);
}

/// Whether a module is the program itself: the loader knows no name for it.
pub fn is_program(module: &Module) -> bool {
    let name = name_of(module);
    let mut first = [0xff];
    name != 0 && copy(name, &mut first) && first == [0]
}

/// Whether the file of a module has a name that begins so.
pub fn is_named(module: &Module, start: &[u8]) -> bool {
    let mut path = [0; PATH_BYTES];
    let len = copy_path(module, &mut path);
    let path = path.get(..len).unwrap_or_default();
    path.rsplit(|byte| *byte == b'/')
        .next()
        .is_some_and(|name| name.starts_with(start))
}

/// `l_name` of the loader's `struct link_map` (link.h): behind `l_addr`.
fn name_of(module: &Module) -> u64 {
    copy_u64(module.link_map.wrapping_add(8)).unwrap_or(0)
}

fn read_path(module: &Module, into: &[AtomicU8; PATH_BYTES]) -> usize {
    if is_program(module) {
        return read_program(into);
    }
    let mut path = [0; PATH_BYTES];
    let len = copy_path(module, &mut path);
    for (to, from) in into.iter().zip(path.iter().take(len)) {
        to.store(*from, Relaxed);
    }
    len
}

/// Copies the path that the loader knows a module by; its length.
fn copy_path(module: &Module, into: &mut [u8; PATH_BYTES]) -> usize {
    let name = name_of(module);
    let mut len = 0;
    let mut part = [0; 64];
    // By parts: what lies behind the name may not be readable. A part never crosses a page.
    while name != 0 && len < PATH_BYTES {
        let at = name.wrapping_add(len as u64);
        let part_len = (64 - (at % 64) as usize).min(PATH_BYTES - len);
        let Some(part) = part.get_mut(..part_len) else {
            break;
        };
        if !copy(at, part) {
            break;
        }
        for byte in part.iter() {
            if *byte == 0 {
                return len;
            }
            if let Some(to) = into.get_mut(len) {
                *to = *byte;
            }
            len += 1;
        }
    }
    len
}

fn read_program(into: &[AtomicU8; PATH_BYTES]) -> usize {
    let mut path = [0; PATH_BYTES];
    let len = file::read_link(file::PROGRAM, &mut path);
    for (to, from) in into.iter().zip(path.iter().take(len)) {
        to.store(*from, Relaxed);
    }
    len
}

/// Reads NT_GNU_BUILD_ID from the module's notes; its length, 0 where there is none.
fn read_build_id(module: &Module, into: &mut [u8; BUILD_ID_BYTES]) -> usize {
    let mut len = 0;
    module.segments(|segment| {
        if segment.kind == libc::PT_NOTE {
            len = build_id_in(segment.start, segment.len_bytes.min(1 << 16), into);
        }
        len == 0
    });
    len
}

fn build_id_in(start: u64, len_bytes: u64, into: &mut [u8; BUILD_ID_BYTES]) -> usize {
    const NT_GNU_BUILD_ID: u32 = 3;
    let mut offset = 0;
    while offset + 16 <= len_bytes {
        let mut header = [0; 16];
        if !copy(start.wrapping_add(offset), &mut header) {
            return 0;
        }
        let word = |at: usize| {
            header
                .get(at..at + 4)
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        let (name_len, value_len, kind) = (word(0) as u64, word(4) as u64, word(8));
        let value = offset + 12 + name_len.next_multiple_of(4);
        if kind == NT_GNU_BUILD_ID && name_len == 4 && header[12..] == *b"GNU\0" {
            let value_len = (value_len as usize).min(BUILD_ID_BYTES);
            let wanted = into.get_mut(..value_len).unwrap_or_default();
            return if copy(start.wrapping_add(value), wanted) {
                value_len
            } else {
                0
            };
        }
        offset = value.saturating_add(value_len.next_multiple_of(4));
    }
    0
}

impl Seen {
    /// Where it is, or was, mapped: start, end, load bias.
    pub fn range(&self) -> (u64, u64, u64) {
        (
            self.start.load(Acquire),
            self.end.load(Relaxed),
            self.bias.load(Relaxed),
        )
    }

    /// Its build ID and the number of bytes that it has.
    pub fn build_id(&self) -> ([u8; BUILD_ID_BYTES], usize) {
        let mut bytes = [0; BUILD_ID_BYTES];
        for (to, from) in bytes.iter_mut().zip(&self.build_id) {
            *to = from.load(Relaxed);
        }
        (
            bytes,
            (self.build_id_len.load(Relaxed) as usize).min(BUILD_ID_BYTES),
        )
    }

    /// Whether it has a Go runtime.
    pub fn has_go(&self) -> bool {
        self.has_go.load(Relaxed) != 0
    }

    /// The bytes of its path.
    pub fn path(&self) -> impl Iterator<Item = u8> + '_ {
        let len = self.path_len.load(Relaxed) as usize;
        self.path.iter().take(len).map(|byte| byte.load(Relaxed))
    }
}

/// The module that a frame lies in, as far as it was noted, by its number.
pub fn at(abs_addr: u64) -> Option<(usize, &'static Seen)> {
    newest_with(abs_addr)
}

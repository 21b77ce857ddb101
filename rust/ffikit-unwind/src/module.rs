//! Loaded object files: which one an address lies in, its program headers and
//! its dynamic symbols. Found without a lock (`_dl_find_object`, glibc 2.35) and
//! read by the kernel, since another thread may be unloading the module.

use crate::memory::{copy, copy_u64};
use core::ffi::{c_int, c_void};
use core::mem::{size_of, MaybeUninit};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

/// A loaded object file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its mapped range, `[start, end)`; the ELF header is at `start`.
    pub start: u64,
    /// The end of the mapped range.
    pub end: u64,
    /// The load bias: absolute address − the file's own (virtual) address.
    pub bias: u64,
    /// `.eh_frame_hdr` (PT_GNU_EH_FRAME), 0 where there is none.
    pub eh_frame_hdr: u64,
    /// The loader's link map, 0 where unknown.
    pub link_map: u64,
}

/// A program header, with its addresses in the process.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// PT_LOAD and so on.
    pub kind: u32,
    /// PF_R, PF_W, PF_X.
    pub flags: u32,
    /// Where it starts.
    pub start: u64,
    /// Its size in memory.
    pub len_bytes: u64,
    /// How much of it comes from the file.
    pub file_len_bytes: u64,
}

/// As `struct dl_find_object` on x86-64 and aarch64.
#[repr(C)]
struct Found {
    flags: u64,
    map_start: u64,
    map_end: u64,
    link_map: u64,
    eh_frame: u64,
    reserved: [u64; 7],
}

type FindObject = unsafe extern "C" fn(*mut c_void, *mut Found) -> c_int;

/// `_dl_find_object`, or 0 before [`prepare`] and where glibc is older.
static FIND_OBJECT: AtomicUsize = AtomicUsize::new(0);

/// Looks up what walking needs from glibc. Call it once, where the dynamic loader
/// may be asked (at start, not in a hook). False: this glibc is older than 2.35,
/// or it is another C library, and no stack can be walked.
pub fn prepare() -> bool {
    // SAFETY: a C string, and no handle of ours.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) };
    FIND_OBJECT.store(symbol as usize, Release);
    PROGRAM.read();
    !symbol.is_null()
}

/// The program itself, which the kernel maps. Other mappings may lie between its segments, and
/// `_dl_find_object` then takes each segment for an object of its own.
struct Program {
    link_map: AtomicU64,
    start: AtomicU64,
    end: AtomicU64,
}

static PROGRAM: Program = Program {
    link_map: AtomicU64::new(0),
    start: AtomicU64::new(0),
    end: AtomicU64::new(0),
};

impl Program {
    /// Reads where the program's segments lie, all together.
    fn read(&self) -> Option<()> {
        // SAFETY: asks for two words that the kernel gave the process.
        let (headers, count) = unsafe { (libc::getauxval(libc::AT_PHDR), libc::getauxval(libc::AT_PHNUM)) };
        let program = Module::find(headers)?;
        let (mut start, mut end) = (program.start, program.end);
        for index in 0..count.min(u16::MAX as u64) {
            let segment = Segment::read(headers + index * SEGMENT_BYTES as u64, program.bias)?;
            if segment.kind == libc::PT_LOAD {
                start = start.min(segment.start & !0xfff);
                end = end.max(segment.start.wrapping_add(segment.len_bytes));
            }
        }
        self.start.store(start, Relaxed);
        self.end.store(end, Relaxed);
        self.link_map.store(program.link_map, Release);
        Some(())
    }

    fn range_of(&self, link_map: u64) -> Option<(u64, u64)> {
        let is_it = link_map != 0 && self.link_map.load(Acquire) == link_map;
        is_it.then(|| (self.start.load(Relaxed), self.end.load(Relaxed)))
    }
}

/// The size of an Elf64_Phdr.
const SEGMENT_BYTES: usize = size_of::<libc::Elf64_Phdr>();

impl Segment {
    /// The Elf64_Phdr at `at`, of an object that was loaded with this bias.
    fn read(at: u64, bias: u64) -> Option<Segment> {
        let mut entry = [0; SEGMENT_BYTES];
        if !copy(at, &mut entry) {
            return None;
        }
        let word = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap_or_default());
        let half = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().unwrap_or_default());
        Some(Segment {
            kind: half(0),
            flags: half(4),
            start: bias.wrapping_add(word(16)),
            len_bytes: word(40),
            file_len_bytes: word(32),
        })
    }
}

impl Module {
    /// The module that `abs_addr` lies in. Takes no lock.
    pub fn find(abs_addr: u64) -> Option<Module> {
        let find = FIND_OBJECT.load(Acquire);
        if find == 0 {
            return None;
        }
        // SAFETY: the only value ever stored is dlsym's answer for this name.
        let find: FindObject = unsafe { core::mem::transmute(find) };
        let mut found = MaybeUninit::<Found>::zeroed();
        // SAFETY: it is async-signal-safe, reads no memory at the address, and fills `found` when it returns 0.
        let found = unsafe {
            if find(abs_addr as *mut c_void, found.as_mut_ptr()) != 0 {
                return None;
            }
            found.assume_init()
        };
        let (start, end) = PROGRAM
            .range_of(found.link_map)
            .unwrap_or((found.map_start, found.map_end));
        Some(Module {
            start,
            end,
            // l_addr is the first member of every link map.
            bias: copy_u64(found.link_map)?,
            eh_frame_hdr: found.eh_frame,
            link_map: found.link_map,
        })
    }

    /// Calls `each` for its program headers until it returns false. None: they cannot be read.
    pub fn segments(&self, mut each: impl FnMut(&Segment) -> bool) -> Option<()> {
        // Elf64_Ehdr: e_phoff at 32, e_phentsize at 54, e_phnum at 56.
        let mut header = [0; 64];
        if !copy(self.start, &mut header) || header[..5] != *b"\x7fELF\x02" {
            return None;
        }
        let offset = u64::from_le_bytes(header[32..40].try_into().unwrap_or_default());
        let count = u16::from_le_bytes([header[56], header[57]]);
        if u16::from_le_bytes([header[54], header[55]]) as usize != SEGMENT_BYTES {
            return None;
        }
        for index in 0..count as u64 {
            let at = self
                .start
                .checked_add(offset)?
                .checked_add(index * SEGMENT_BYTES as u64)?;
            let segment = Segment::read(at, self.bias)?;
            if !each(&segment) {
                break;
            }
        }
        Some(())
    }

    /// The absolute address of a symbol that the module exports (`.dynsym`, by its
    /// GNU hash table), without asking the loader. None: it has no such symbol.
    pub fn symbol(&self, name: &[u8]) -> Option<u64> {
        let mut dynamic = None;
        self.segments(|segment| {
            if segment.kind == libc::PT_DYNAMIC {
                dynamic = Some(*segment);
            }
            dynamic.is_none()
        })?;
        let dynamic = dynamic?;
        const DT_STRTAB: u64 = 5;
        const DT_SYMTAB: u64 = 6;
        const DT_GNU_HASH: u64 = 0x6fff_fef5;
        let (mut strings, mut symbols, mut hashes) = (0, 0, 0);
        for at in (dynamic.start..dynamic.start.checked_add(dynamic.len_bytes.min(1 << 16))?).step_by(16) {
            let (tag, value) = (copy_u64(at)?, copy_u64(at + 8)?);
            // glibc relocates these in place, but not in the vDSO's read-only section.
            let value = if value < self.start {
                value.wrapping_add(self.bias)
            } else {
                value
            };
            match tag {
                0 => break,
                DT_STRTAB => strings = value,
                DT_SYMTAB => symbols = value,
                DT_GNU_HASH => hashes = value,
                _ => {}
            }
        }
        if strings == 0 || symbols == 0 || hashes == 0 {
            return None;
        }
        GnuHash::read(hashes)?.find(name, symbols, strings, self.bias)
    }
}

/// The table of DT_GNU_HASH: a Bloom filter, buckets, and chains of hashes.
struct GnuHash {
    buckets_count: u32,
    first_symbol: u32,
    buckets: u64,
    chains: u64,
}

impl GnuHash {
    fn read(table: u64) -> Option<GnuHash> {
        let mut header = [0; 16];
        if !copy(table, &mut header) {
            return None;
        }
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap_or_default());
        let (buckets_count, first_symbol, bloom_words) = (word(0), word(4), word(8));
        if buckets_count == 0 {
            return None;
        }
        let buckets = table + 16 + 8 * bloom_words as u64;
        Some(GnuHash {
            buckets_count,
            first_symbol,
            buckets,
            chains: buckets + 4 * buckets_count as u64,
        })
    }

    fn find(&self, name: &[u8], symbols: u64, strings: u64, bias: u64) -> Option<u64> {
        let wanted = name.iter().fold(5381u32, |hash, byte| {
            hash.wrapping_mul(33).wrapping_add(*byte as u32)
        });
        let mut index = copy_u32_at(self.buckets, wanted % self.buckets_count)?;
        if index < self.first_symbol {
            return None;
        }
        // A chain ends with a hash whose lowest bit is set; a corrupt one is left after a while.
        for _ in 0..100_000 {
            let hash = copy_u32_at(self.chains, index - self.first_symbol)?;
            if hash | 1 == wanted | 1 {
                if let Some(value) = symbol_named(name, symbols + 24 * index as u64, strings) {
                    return Some(bias.wrapping_add(value));
                }
            }
            if hash & 1 != 0 {
                return None;
            }
            index = index.checked_add(1)?;
        }
        None
    }
}

fn copy_u32_at(table: u64, index: u32) -> Option<u32> {
    crate::memory::copy_u32(table.checked_add(4 * index as u64)?)
}

/// The value of the Elf64_Sym at `symbol`, if it is defined and has this name.
fn symbol_named(name: &[u8], symbol: u64, strings: u64) -> Option<u64> {
    let mut entry = [0; 24];
    let mut text = [0; 64];
    let text = text.get_mut(..name.len() + 1)?;
    if !copy(symbol, &mut entry) {
        return None;
    }
    let name_offset = u32::from_le_bytes(entry[..4].try_into().ok()?) as u64;
    let section = u16::from_le_bytes([entry[6], entry[7]]);
    let is_it =
        copy(strings.checked_add(name_offset)?, text) && text[..name.len()] == *name && text[name.len()] == 0;
    (is_it && section != 0).then(|| u64::from_le_bytes(entry[8..16].try_into().unwrap_or_default()))
}

//! Finds the tables in a loaded module without its section headers: by the
//! table's magic number in what the module maps, and by the moduledata that
//! points at it. Both are checked against each other, so that bytes that only
//! look alike are passed over.

use super::{Pclntab, Table, Window};
use crate::module::Module;

/// The magic number of Go 1.20 and later, and the two zero bytes behind it.
const MAGIC: u64 = 0xffff_fff1;
const MAGIC_MASK: u64 = 0x0000_ffff_ffff_ffff;

/// How often a module's size one search may read. Once to find the table, once to find who points at it;
/// the rest is for what only looks like a table.
const MAX_PASSES: u64 = 16;

/// Object files have some ten segments; what follows these is not looked at.
const MAX_SEGMENTS: usize = 16;

/// No program has more functions.
const MAX_FUNCTIONS: u64 = 1 << 24;

/// moduledata up to `gofunc`, and that.
const MODULEDATA_BYTES: usize = 328;

impl Pclntab {
    /// Looks for the tables of Go's runtime in a module. Needs little of the stack: signal handlers may have no more.
    pub fn find(module: &Module) -> Option<Pclntab> {
        let mut search = Search {
            segments: Segments::data_of(module)?,
            module,
            left_bytes: MAX_PASSES.saturating_mul(module.end.checked_sub(module.start)?),
        };
        for index in 0..MAX_SEGMENTS {
            let Some(span) = search.segments.list[index] else {
                break;
            };
            let mut from = span.start;
            while let Some(at) = search.next(&span, from, |word| word & MAGIC_MASK == MAGIC) {
                if let Some(tables) = Header::read(at, &span).and_then(|header| search.tables(&header)) {
                    return Some(tables);
                }
                from = at + 8;
            }
        }
        None
    }
}

/// Memory of a segment that comes from the file.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) is_writable: bool,
}

/// The segments that a module's data lies in.
pub(crate) struct Segments {
    list: [Option<Span>; MAX_SEGMENTS],
}

impl Segments {
    /// Those that can be read, the writable ones later, and last those with code: some linkers (GNU's on aarch64)
    /// put constants there as well. Only what the file holds of them.
    pub(crate) fn data_of(module: &Module) -> Option<Segments> {
        let mut list = [None; MAX_SEGMENTS];
        let mut count = 0;
        for more in [0, libc::PF_W, libc::PF_X] {
            module.segments(|segment| {
                let flags = segment.flags & (libc::PF_R | libc::PF_W | libc::PF_X);
                let end = segment.start.saturating_add(segment.file_len_bytes);
                let is_inside = segment.start >= module.start && end <= module.end;
                if segment.kind == libc::PT_LOAD && flags == libc::PF_R | more && is_inside {
                    list[count] = Some(Span {
                        start: segment.start,
                        end,
                        is_writable: more == libc::PF_W,
                    });
                    count += 1;
                }
                count < MAX_SEGMENTS
            })?;
            if count == MAX_SEGMENTS {
                break;
            }
        }
        Some(Segments { list })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Span> {
        self.list.iter().flatten()
    }

    /// Whether one of them holds all of `[start, start + len_bytes)`.
    fn hold(&self, start: u64, len_bytes: u64) -> bool {
        let Some(end) = start.checked_add(len_bytes) else {
            return false;
        };
        self.iter().any(|span| start >= span.start && end <= span.end)
    }
}

/// `pcHeader`: where the tables are, as offsets from it.
struct Header {
    at: u64,
    quantum: u32,
    functions_count: u64,
    names: u64,
    units: u64,
    files: u64,
    steps: u64,
    functions: u64,
}

impl Header {
    fn read(at: u64, span: &Span) -> Option<Header> {
        let window = &mut Window::<72>::new();
        let bytes = window.bytes(at, 72)?;
        let (quantum, pointer_bytes) = (bytes[6], bytes[7]);
        let word =
            |index: usize| u64::from_le_bytes(bytes[8 * index..8 * index + 8].try_into().unwrap_or_default());
        let header = Header {
            at,
            quantum: quantum as u32,
            functions_count: word(1),
            names: word(4),
            units: word(5),
            files: word(6),
            steps: word(7),
            functions: word(8),
        };
        let is_ordered = 72 <= header.names
            && header.names < header.units
            && header.units <= header.files
            && header.files < header.steps
            && header.steps < header.functions
            && header.functions < span.end - at;
        let is_plausible = matches!(quantum, 1 | 2 | 4)
            && pointer_bytes == 8
            && (1..=MAX_FUNCTIONS).contains(&header.functions_count);
        (is_ordered && is_plausible).then_some(header)
    }
}

struct Search<'m> {
    module: &'m Module,
    segments: Segments,
    left_bytes: u64,
}

impl Search<'_> {
    /// The first aligned word of a segment, from an address on, that is what is looked for.
    fn next(&mut self, span: &Span, from: u64, is_it: impl Fn(u64) -> bool) -> Option<u64> {
        const CHUNK_BYTES: u64 = 1024;
        let mut chunk = [0; CHUNK_BYTES as usize];
        let mut at = from.next_multiple_of(8);
        while at < span.end && self.left_bytes >= CHUNK_BYTES {
            self.left_bytes -= CHUNK_BYTES;
            let len = CHUNK_BYTES.min(span.end - at) as usize;
            // What cannot be read (a segment that was cut by mprotect) is passed over.
            if crate::memory::copy(at, &mut chunk[..len]) {
                let words = chunk[..len].chunks_exact(8);
                let mut words = words.map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
                if let Some(index) = words.position(&is_it) {
                    return Some(at + 8 * index as u64);
                }
            }
            at += CHUNK_BYTES;
        }
        None
    }

    /// The tables that a header describes, if there is a moduledata that agrees.
    fn tables(&mut self, header: &Header) -> Option<Pclntab> {
        for index in 0..MAX_SEGMENTS {
            let Some(span) = self.segments.list[index] else {
                break;
            };
            let mut from = span.start;
            while let Some(at) = self.next(&span, from, |word| word == header.at) {
                if let Some(tables) = self.module_data(header, at) {
                    return Some(tables);
                }
                from = at + 8;
            }
        }
        None
    }

    /// The `moduledata` at `at`, if that is what lies there.
    fn module_data(&mut self, header: &Header, at: u64) -> Option<Pclntab> {
        let mut data = [0; MODULEDATA_BYTES];
        if !crate::memory::copy(at, &mut data) {
            return None;
        }
        let word =
            |offset: usize| u64::from_le_bytes(data[offset..offset + 8].try_into().unwrap_or_default());
        // A slice: address, length in elements, capacity.
        let table = |offset: usize, element_bytes: u64, relative: u64| {
            let (start, len_bytes) = (word(offset), word(offset + 8).checked_mul(element_bytes)?);
            let is_it = start == header.at.checked_add(relative)? && self.segments.hold(start, len_bytes);
            is_it.then_some(Table { start, len_bytes })
        };
        let entries = table(128, 8, header.functions)?;
        let (text_start, text_end, inline_trees) = (word(176), word(184), word(320));
        let is_text = self.module.start <= text_start && text_start < text_end && text_end <= self.module.end;
        let is_inside = self.module.start <= inline_trees && inline_trees <= self.module.end;
        if !is_text || !is_inside || entries.len_bytes / 8 != header.functions_count + 1 {
            return None;
        }
        let tables = Pclntab {
            text_start,
            text_end,
            functions_count: header.functions_count as u32,
            quantum: header.quantum,
            names: table(8, 1, header.names)?,
            units: table(32, 4, header.units)?,
            files: table(56, 1, header.files)?,
            steps: table(80, 1, header.steps)?,
            functions: table(104, 1, header.functions)?,
            inline_trees: Table {
                start: inline_trees,
                len_bytes: self.module.end - inline_trees,
            },
        };
        self.check_functions(&tables, word(160), word(168))
            .then_some(tables)
    }

    /// Whether the functions are in order, and lie where moduledata says.
    fn check_functions(&mut self, tables: &Pclntab, low: u64, high: u64) -> bool {
        let window = &mut Window::<256>::new();
        let len_bytes = 8 * (tables.functions_count as u64 + 1);
        if self.left_bytes < len_bytes {
            return false;
        }
        self.left_bytes -= len_bytes;
        let mut last = None;
        for index in 0..=tables.functions_count {
            let Some(entry) = tables.entry(index, window) else {
                return false;
            };
            if last.is_some_and(|last| entry < last) {
                return false;
            }
            last = Some(entry);
        }
        let first = tables.entry(0, window);
        let described = tables
            .function(0, window)
            .and_then(|function| tables.field(&function, 0, window));
        let address = |offset: Option<u32>| Some(tables.text_start + offset? as u64);
        first == described
            && address(first) == Some(low)
            && address(last) == Some(high)
            && high <= tables.text_end
    }
}

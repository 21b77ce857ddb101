//! What a module is: whether it may hold a Go runtime, and a number that differs
//! from that of any other module which comes to lie at its place.

use crate::memory::copy;
use crate::module::{Module, Segment};
use crate::pclntab::find::Segments;

/// How much of a module's notes is read.
const MAX_NOTE_BYTES: usize = 512;

/// How much writable data is searched for Go's build information.
const MAX_DATA_BYTES: u64 = 16 << 20;

/// What Go's linker puts before the build information, 16-aligned (debug/buildinfo).
const BUILD_INFO_MAGIC: [u8; 14] = *b"\xff Go buildinf:";

/// A hash of everything that tells modules apart: their place, their segments, their notes (build IDs).
pub(super) struct Identity {
    pub(super) hash: u64,
    has_go_note: bool,
}

impl Identity {
    /// None: the module cannot be read any more.
    pub(super) fn of(module: &Module) -> Option<Identity> {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        for word in [module.start, module.end, module.bias] {
            hash.add(word);
        }
        let mut has_go_note = false;
        module.segments(|segment| {
            for word in [
                segment.kind as u64,
                segment.flags as u64,
                segment.start,
                segment.len_bytes,
            ] {
                hash.add(word);
            }
            if segment.kind == libc::PT_NOTE {
                has_go_note |= read_notes(segment, &mut hash);
            }
            true
        })?;
        Some(Identity {
            hash: hash.0 | 1,
            has_go_note,
        })
    }

    /// Whether it was linked by Go, or holds an archive that Go made. Go's build ID is a
    /// note; where it was left out (-buildid=) or dropped by a linker, the build information says so.
    pub(super) fn may_be_go(&self, module: &Module) -> bool {
        self.has_go_note || has_build_info(module)
    }
}

/// FNV-1a, by words.
struct Hash(u64);

impl Hash {
    fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(29);
    }
}

/// Hashes a segment of notes; says whether Go's build ID is among them (name "Go", type 4).
fn read_notes(segment: &Segment, hash: &mut Hash) -> bool {
    let mut notes = [0; MAX_NOTE_BYTES];
    let len = segment.len_bytes.min(MAX_NOTE_BYTES as u64) as usize;
    if !copy(segment.start, &mut notes[..len]) {
        return false;
    }
    for word in notes[..len].chunks_exact(4) {
        hash.add(u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as u64);
    }
    // A note: sizes of name and description, type, name. Where it starts does not matter here: what only
    // looks like one costs a search.
    notes[..len]
        .windows(16)
        .step_by(4)
        .any(|note| note[..4] == [4, 0, 0, 0] && note[8..] == *b"\x04\0\0\0Go\0\0")
}

fn has_build_info(module: &Module) -> bool {
    const CHUNK_BYTES: u64 = 1024;
    let Some(segments) = Segments::data_of(module) else {
        return false;
    };
    let mut chunk = [0; CHUNK_BYTES as usize];
    for span in segments.iter().filter(|span| span.is_writable) {
        let end = span.end.min(span.start.saturating_add(MAX_DATA_BYTES));
        let mut at = span.start.next_multiple_of(16);
        while at < end {
            let len = CHUNK_BYTES.min(end - at) as usize;
            let is_here = |piece: &[u8]| piece.starts_with(&BUILD_INFO_MAGIC);
            if copy(at, &mut chunk[..len]) && chunk[..len].chunks_exact(16).any(is_here) {
                return true;
            }
            at += CHUNK_BYTES;
        }
    }
    false
}

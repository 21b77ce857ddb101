//! What is missing from the evidence, and why: told in the file with the next report.

use core::sync::atomic::{AtomicU32, Ordering::*};

/// A bit for each note.
static NOTES: AtomicU32 = AtomicU32::new(0);

/// Something is missing from now on.
pub fn note(note: Note) {
    NOTES.fetch_or(1 << note as u32, Relaxed);
}

/// All that is missing so far, a bit each.
pub fn all() -> u32 {
    NOTES.load(Relaxed)
}

/// What may be missing, and why.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Note {
    OldLibc = 0,
    NoMemory = 1,
    StacksFull = 2,
    UnknownRuntime = 3,
    UndefinedUnseen = 4,
}

impl Note {
    /// All, in the order of their bits.
    pub const ALL: [Note; 5] = [
        Note::OldLibc,
        Note::NoMemory,
        Note::StacksFull,
        Note::UnknownRuntime,
        Note::UndefinedUnseen,
    ];

    /// In words for users.
    pub fn text(self) -> &'static [u8] {
        match self {
            Note::OldLibc => b"stacks are not traced: they need glibc 2.35 or newer (_dl_find_object)",
            Note::NoMemory => b"stacks are not traced: the kernel gives no memory to keep them",
            Note::StacksFull => {
                b"the companion's memory for stacks is full: some allocations and frees have none \
                  (FFIKIT_COMPANION_LIMIT raises it)"
            }
            Note::UnknownRuntime => {
                b"stacks are not traced: this sanitizer runtime tells of no allocations and reports"
            }
            Note::UndefinedUnseen => {
                b"findings of UBSan have no whole stacks where its runtime is linked into the program: \
                  build it with -shared-libasan, or let it halt (halt_on_error=1)"
            }
        }
    }
}

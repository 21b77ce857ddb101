//! Finds the interpreter among the modules of the process, and says why it will not do.

use super::layout;
use super::{mix, Interpreter};
use crate::memory::{copy, copy_u64};
use crate::module::Module;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

/// Why the frames of a CPython that is there cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Older than 3.11.
    Older = 1,
    /// Newer than what is known.
    Newer,
    /// An alpha or beta, whose layout is no release's.
    Prerelease,
    /// Built without the GIL.
    FreeThreaded,
    /// It does not look as its version does: a debug or patched build.
    Unexpected,
    /// Its memory cannot be read.
    Unreadable,
    /// A second CPython in the process; the first one's frames are read.
    Second,
}

/// A CPython that was found and is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// PY_VERSION_HEX; 0: unknown (before 3.11 it is not exported).
    pub version_hex: u32,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { version_hex, reason } = self;
        out.write_str("CPython ")?;
        if *version_hex != 0 {
            let [major, minor, micro, _] = version_hex.to_be_bytes();
            write!(out, "{major}.{minor}.{micro} ")?;
        }
        out.write_str(match reason {
            Reason::Older => "is older than 3.11",
            Reason::Newer => "is a version that is not known",
            Reason::Prerelease => "is a pre-release",
            Reason::FreeThreaded => "is free-threaded",
            Reason::Unexpected => "does not look as its version does",
            Reason::Unreadable => "cannot be read",
            Reason::Second => "is the second one in this process",
        })?;
        out.write_str(": native frames only")
    }
}

/// Interpreters that were found. A slot is written once, before [`CURRENT`] names
/// it, and never again: who was given it may go on reading.
struct Slot(UnsafeCell<MaybeUninit<Interpreter>>);

// SAFETY: written by the one who drew its number, read only after CURRENT names it.
unsafe impl Sync for Slot {}

/// How many interpreters a process may load one after the other.
const SLOTS: usize = 8;

static FOUND: [Slot; SLOTS] = [const { Slot(UnsafeCell::new(MaybeUninit::uninit())) }; SLOTS];
/// How many slots were drawn.
static DRAWN: AtomicUsize = AtomicUsize::new(0);
/// The slot in use + 1; 0: none.
static CURRENT: AtomicUsize = AtomicUsize::new(0);
/// The last refusal: version << 32 | reason; 0: none.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Modules that were looked at already, by a hash of what tells them apart:
/// [`discover`] is asked once per return address that is learned.
static SEEN: [AtomicU64; 512] = [const { AtomicU64::new(0) }; 512];

/// The interpreter found so far in this process, if its version is known. Lock-free.
#[inline]
pub fn interpreter() -> Option<&'static Interpreter> {
    match CURRENT.load(Acquire) {
        0 => None,
        // SAFETY: the slot was written before CURRENT named it, and is not written again.
        number => Some(unsafe { (*FOUND[number - 1].0.get()).assume_init_ref() }),
    }
}

/// Why a CPython that is loaded is not used: for a note in the report.
pub fn refused() -> Option<Refusal> {
    let refusal = REFUSED.load(Relaxed);
    let reason = match refusal & 0xff {
        1 => Reason::Older,
        2 => Reason::Newer,
        3 => Reason::Prerelease,
        4 => Reason::FreeThreaded,
        5 => Reason::Unexpected,
        6 => Reason::Unreadable,
        7 => Reason::Second,
        _ => return None,
    };
    Some(Refusal {
        version_hex: (refusal >> 32) as u32,
        reason,
    })
}

/// Looks whether a module is CPython, and publishes it. For the cold path of the
/// rule cache: no allocation, no lock, and memory is read by the kernel.
pub fn discover(module: &Module) {
    let key = mix(mix(mix(1, module.start), module.end), module.link_map) | 1;
    let seen = &SEEN[(key >> 32) as usize % SEEN.len()];
    if seen.load(Relaxed) == key {
        return;
    }
    match look_at(module) {
        None => {}
        Some(Ok(interpreter)) => publish(interpreter),
        Some(Err(refusal)) => refuse(refusal),
    }
    seen.store(key, Relaxed);
}

/// Looks at everything anew: call it after a module was unloaded (dlclose). An
/// interpreter that is gone is not asked any more.
pub fn forget() {
    for seen in &SEEN {
        seen.store(0, Relaxed);
    }
    REFUSED.store(0, Relaxed);
    let number = CURRENT.load(Acquire);
    if let Some(gone) = interpreter() {
        if Module::find(gone.runtime) != Some(gone.module) {
            let _ = CURRENT.compare_exchange(number, 0, AcqRel, Relaxed);
        }
    }
}

fn publish(found: Interpreter) {
    if let Some(current) = interpreter() {
        if current.runtime != found.runtime {
            refuse(Refusal {
                version_hex: found.version_hex,
                reason: Reason::Second,
            });
        }
        return;
    }
    let number = DRAWN.fetch_add(1, Relaxed);
    let Some(slot) = FOUND.get(number) else {
        DRAWN.store(SLOTS, Relaxed);
        refuse(Refusal {
            version_hex: found.version_hex,
            reason: Reason::Second,
        });
        return;
    };
    // SAFETY: this number was drawn by us alone, and no one reads the slot yet.
    unsafe { (*slot.0.get()).write(found) };
    // Where another thread was faster, its slot stands.
    let _ = CURRENT.compare_exchange(0, number + 1, Release, Relaxed);
}

fn refuse(refusal: Refusal) {
    REFUSED.store(
        (refusal.version_hex as u64) << 32 | refusal.reason as u64,
        Relaxed,
    );
}

/// None: the module is no CPython.
fn look_at(module: &Module) -> Option<Result<Interpreter, Refusal>> {
    let runtime = module.symbol(b"_PyRuntime")?;
    let Some(version) = module.symbol(b"Py_Version") else {
        return Some(Err(Refusal {
            version_hex: 0,
            reason: Reason::Older,
        }));
    };
    let version_hex = copy_u64(version).unwrap_or(0) as u32;
    Some(examine(module, runtime, version_hex).map_err(|reason| Refusal { version_hex, reason }))
}

fn examine(module: &Module, runtime: u64, version_hex: u32) -> Result<Interpreter, Reason> {
    let layout = layout::of(version_hex, runtime)?;
    let symbol = |name: &[u8]| module.symbol(name).ok_or(Reason::Unexpected);
    let interpreter = Interpreter {
        version_hex,
        layout,
        runtime,
        this_thread_state: symbol(b"PyGILState_GetThisThreadState")?,
        code_type: symbol(b"PyCode_Type")?,
        text_type: symbol(b"PyUnicode_Type")?,
        bytes_type: symbol(b"PyBytes_Type")?,
        module: *module,
    };
    let type_of_types = symbol(b"PyType_Type")?;
    // What the build says of itself: a debug build with other headers, or one that
    // was patched, is told by the sizes of its own objects.
    let expected = [
        (
            interpreter.code_type,
            layout.code_instructions,
            b"code\0".as_slice(),
        ),
        (interpreter.text_type, layout.text_data + 8, b"str\0"),
        (interpreter.bytes_type, layout::BYTES_DATA + 1, b"bytes\0"),
    ];
    for (object, basic_size, name) in expected {
        let mut text = [0; 8];
        let text = &mut text[..name.len()];
        let named = copy_u64(object.wrapping_add(layout::TYPE_NAME)).ok_or(Reason::Unreadable)?;
        let looks_right = copy_u64(object.wrapping_add(layout::OBJECT_TYPE)) == Some(type_of_types)
            && copy_u64(object.wrapping_add(layout::TYPE_BASIC_SIZE)) == Some(basic_size)
            && copy(named, text)
            && text == name;
        if !looks_right {
            return Err(Reason::Unexpected);
        }
    }
    Ok(interpreter)
}

//! CPython's frames: which Python functions the interpreter runs on this thread,
//! and where on the native stack.
//!
//! Each activation of the interpreter loop (`_PyEval_EvalFrameDefault`) runs a
//! chain of Python frames and has a local that parts its frames from those of the
//! activation that called it: a `_PyCFrame` up to 3.12, from 3.13 on a
//! `_PyInterpreterFrame` of its own. The native frame that this local lies in is
//! the one that runs them, so Python's frames pair up with the native ones
//! exactly, however deep the two are nested.
//!
//! The interpreter is found by its exported symbols, and its version says where
//! things are ([`layout`]). An unknown or free-threaded version is refused by name.
//! Read here: CPython's Include/internal/pycore_frame.h (from 3.14 on
//! pycore_interpframe_structs.h), Python/pystate.c, Objects/codeobject.c.
//!
//! Which frames are a thread's own: those of the thread states that
//! `PyGILState_GetThisThreadState` names and, where there is more than one
//! interpreter, of all that were bound to this thread, by pthread_self() and
//! gettid(). `PyThreadState_Get` and its relatives would not do: they give the
//! holder of the GIL (3.11), or nothing where the GIL was released. Not covered: a
//! sub-interpreter's thread state after fork() without Python's knowledge (its
//! gettid() is the parent's), and more than four interpreters that run inside each
//! other on one thread.

pub mod layout;
mod names;

pub use names::{describe, site, Description, Site};

use crate::arch::syscall4;
use crate::memory::{copy, copy_u64, load_u32, load_u64, load_u8};
use crate::module::Module;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use layout::{Layout, Runs};

/// A CPython whose layout is known.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// PY_VERSION_HEX: 0x030d05f0 is 3.13.5.
    pub version_hex: u32,
    layout: Layout,
    /// `_PyRuntime`.
    runtime: u64,
    /// `PyGILState_GetThisThreadState`.
    this_thread_state: u64,
    /// `PyCode_Type`, `PyUnicode_Type`, `PyBytes_Type`.
    code_type: u64,
    text_type: u64,
    bytes_type: u64,
    module: Module,
}

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

/// How many thread states may belong to one thread: one for each interpreter that
/// runs on it, inside each other.
const CHAINS: usize = 4;
/// How many frames are passed in one walk, and how many interpreters and threads
/// are looked at, before it counts as a loop.
const FRAMES_MAX: u32 = 1 << 16;
const INTERPRETERS_MAX: usize = 256;
const THREADS_MAX: usize = 4096;

/// `FRAME_OWNED_BY_GENERATOR`.
const OWNED_BY_GENERATOR: u8 = 1;
/// `FRAME_OWNED_BY_CSTACK`, from 3.14 on `FRAME_OWNED_BY_INTERPRETER`; what is
/// above it is no Python frame either.
const OWNED_BY_STACK: u8 = 3;

/// The stack address of no activation.
const NOWHERE: u64 = u64::MAX;

/// The Python frames of a thread, activation by activation, leaf first.
pub struct Frames {
    interpreter: &'static Interpreter,
    /// Of `chains[current]`.
    entry: u64,
    current: usize,
    chains: [Chain; CHAINS],
    chains_len: usize,
    /// How many frames may still be passed.
    budget: u32,
}

/// The activations of one thread state.
#[derive(Clone, Copy)]
struct Chain {
    /// The address on the stack that stands for the next activation, or [`NOWHERE`].
    entry: u64,
    /// The leaf frame of that activation.
    frame: u64,
}

/// The calling thread's Python frames, at the leaf. None: it has none, because it
/// never was a thread of Python's or runs no Python code now. Whether it holds the
/// GIL makes no difference.
pub fn this_thread(interpreter: &'static Interpreter) -> Option<Frames> {
    // SAFETY: the address of this function, which takes nothing, may be called at
    // any time on any thread, and gives a PyThreadState or NULL.
    let thread_state = unsafe {
        let this_thread_state: extern "C" fn() -> u64 =
            core::mem::transmute(interpreter.this_thread_state as usize);
        this_thread_state()
    };
    let mut frames = Frames {
        interpreter,
        entry: NOWHERE,
        current: 0,
        chains: [Chain {
            entry: NOWHERE,
            frame: 0,
        }; CHAINS],
        chains_len: 0,
        budget: FRAMES_MAX,
    };
    if thread_state != 0 {
        frames.add(thread_state);
    }
    interpreter.other_states_of_this_thread(thread_state, &mut frames);
    frames.choose();
    (frames.entry != NOWHERE).then_some(frames)
}

impl Interpreter {
    /// Where it keeps what is read here.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Adds the thread states that sub-interpreters have for this thread. They are
    /// looked for only if there are any, and read by the kernel: another thread may
    /// be freeing them.
    fn other_states_of_this_thread(&self, known: u64, frames: &mut Frames) {
        let layout = &self.layout;
        let Some(mut interpreter) = word(self.runtime, layout.interpreters_head) else {
            return;
        };
        // The newest comes first, and the main one is part of _PyRuntime.
        if interpreter == 0 || (self.module.start..self.module.end).contains(&interpreter) {
            return;
        }
        // SAFETY: neither has conditions.
        let (thread_id, native_thread_id) = unsafe {
            (
                libc::pthread_self(),
                syscall4(libc::SYS_gettid, 0, 0, 0, 0) as u64,
            )
        };
        let mut threads_left = THREADS_MAX;
        for _ in 0..INTERPRETERS_MAX {
            let mut thread = copy_u64(interpreter.wrapping_add(layout.threads_head)).unwrap_or(0);
            while thread != 0 && threads_left > 0 {
                threads_left -= 1;
                let is_ours = thread != known
                    && copy_u64(thread.wrapping_add(layout.thread_id)) == Some(thread_id)
                    && copy_u64(thread.wrapping_add(layout.native_thread_id)) == Some(native_thread_id)
                    && copy_u64(thread.wrapping_add(layout.thread_interpreter)) == Some(interpreter);
                if is_ours {
                    frames.add(thread);
                }
                thread = copy_u64(thread.wrapping_add(layout.thread_next)).unwrap_or(0);
            }
            interpreter = copy_u64(interpreter.wrapping_add(layout.interpreter_next)).unwrap_or(0);
            if interpreter == 0 {
                return;
            }
        }
    }

    fn is_code(&self, object: u64) -> bool {
        word(object, layout::OBJECT_TYPE) == Some(self.code_type)
    }

    /// The code object that a frame runs.
    #[inline]
    fn code_of(&self, frame: u64) -> Option<u64> {
        // From 3.14 on the low bits of a reference say how it is counted.
        Some(word(frame, self.layout.frame_code)? & !7)
    }

    /// Whether Python itself would show this frame: it has begun to run its own
    /// code, and is not one that the interpreter pushed for its own sake (a call of
    /// `__init__` is). As `_PyFrame_IsIncomplete`.
    fn is_shown(&self, frame: u64, code: u64, owner: u8) -> Option<bool> {
        if owner == OWNED_BY_GENERATOR {
            return Some(true);
        }
        let instruction = word(frame, self.layout.frame_instruction)?;
        let first_traceable = load_u32(code.wrapping_add(self.layout.code_first_traceable))? as u64;
        Some(instruction >= code.wrapping_add(self.layout.code_instructions + 2 * first_traceable))
    }
}

impl Frames {
    /// The stack address inside the native activation of the interpreter that runs
    /// the next frames; `u64::MAX` when there are no more. Addresses rise from call
    /// to call.
    #[inline]
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Hands the Python frames of that activation (addresses of
    /// `_PyInterpreterFrame`) to `each`, leaf first, until it returns false, and
    /// moves on to the next activation. There may be none: an activation has just
    /// begun, or is about to end.
    pub fn take_run(&mut self, mut each: impl FnMut(u64) -> bool) {
        if self.entry == NOWHERE {
            return;
        }
        let chain = self.chains[self.current];
        let next = self.pass_run(chain, &mut each).unwrap_or(Chain {
            entry: NOWHERE,
            frame: 0,
        });
        self.chains[self.current] = next;
        self.choose();
    }

    /// Adds what a thread state runs.
    fn add(&mut self, thread_state: u64) {
        if self.chains_len == CHAINS {
            return;
        }
        let current = word(thread_state, self.interpreter.layout.thread_current);
        if let Some(chain) = current.and_then(|current| self.chain(current)) {
            self.chains[self.chains_len] = chain;
            self.chains_len += 1;
        }
    }

    /// The activation that the C frame, or from 3.13 on the frame, at `current` belongs to.
    fn chain(&mut self, current: u64) -> Option<Chain> {
        if current == 0 {
            return None;
        }
        let layout = &self.interpreter.layout;
        if layout.runs != Runs::OneChain {
            let frame = word(current, layout.cframe_current_frame)?;
            return (frame != 0).then_some(Chain {
                entry: current,
                frame,
            });
        }
        let mut frame = current;
        loop {
            let previous = word(frame, layout.frame_previous)?;
            if load_u8(frame.wrapping_add(layout.frame_owner))? >= OWNED_BY_STACK {
                // The one below all others is no activation's.
                return (previous != 0).then_some(Chain {
                    entry: frame,
                    frame: current,
                });
            }
            frame = previous;
            self.spend()?;
        }
    }

    fn spend(&mut self) -> Option<()> {
        self.budget = self.budget.checked_sub(1)?;
        Some(())
    }

    /// Hands out one run; gives the activation behind it. None: that was the last,
    /// or what stands there is not what it should be.
    fn pass_run(&mut self, chain: Chain, each: &mut impl FnMut(u64) -> bool) -> Option<Chain> {
        let interpreter = self.interpreter;
        let layout = &interpreter.layout;
        let mut frame = chain.frame;
        let mut is_wanted = true;
        while frame != 0 {
            self.spend()?;
            let owner = load_u8(frame.wrapping_add(layout.frame_owner))?;
            let previous = word(frame, layout.frame_previous)?;
            if layout.runs != Runs::MarkedEntry && owner >= OWNED_BY_STACK {
                if layout.runs == Runs::OneChain {
                    return self.chain(previous);
                }
                break;
            }
            let code = interpreter.code_of(frame)?;
            if !interpreter.is_code(code) {
                return None;
            }
            if is_wanted && interpreter.is_shown(frame, code, owner)? {
                is_wanted = each(frame);
            }
            if layout.runs == Runs::MarkedEntry && load_u8(frame.wrapping_add(layout.frame_is_entry))? != 0 {
                break;
            }
            frame = previous;
        }
        let previous = word(chain.entry, layout.cframe_previous)?;
        self.chain(previous)
    }

    /// The activation nearest to the leaf is next, whichever interpreter it is of.
    fn choose(&mut self) {
        self.entry = NOWHERE;
        for (index, chain) in self.chains[..self.chains_len].iter().enumerate() {
            if chain.entry < self.entry {
                self.entry = chain.entry;
                self.current = index;
            }
        }
    }
}

/// The word at `object` + `offset`.
#[inline(always)]
fn word(object: u64, offset: u64) -> Option<u64> {
    load_u64(object.wrapping_add(offset))
}

/// Mixes a word into a hash.
#[inline(always)]
fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

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
//! other on one thread. A greenlet's frames end where it began, as in
//! `sys._getframe`: below it the interpreter's native frames have no Python beside them.

mod discovery;
mod frames;
pub mod layout;
mod names;
#[cfg(test)]
mod tests;

pub use discovery::{discover, forget, interpreter, refused, Reason, Refusal};
pub use frames::{this_thread, Frames};
pub use names::{describe, place, site, Description, Place, Site};

use crate::memory::{is_page_readable, load_u64};
use crate::module::Module;
use layout::Layout;

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

impl Interpreter {
    /// Where it keeps what is read here.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A frame.
    #[inline(always)]
    fn frame(&self, frame: u64) -> Option<Object> {
        Object::at(frame, self.layout.frame_bytes)
    }

    /// The code object that a frame runs.
    #[inline(always)]
    fn code_of(&self, frame: Object) -> Option<Object> {
        // From 3.14 on the low bits of a reference say how it is counted.
        let code = frame.word(self.layout.frame_code) & !7;
        let code = Object::at(code, self.layout.code_instructions)?;
        (code.word(layout::OBJECT_TYPE) == self.code_type).then_some(code)
    }

    /// Whether Python itself would show this frame: it has begun to run its own
    /// code, and is not one that the interpreter pushed for its own sake (a call of
    /// `__init__` is). As `_PyFrame_IsIncomplete`.
    #[inline(always)]
    fn is_shown(&self, frame: Object, code: Object, owner: u8) -> bool {
        let layout = &self.layout;
        let first_traceable = 2 * code.half(layout.code_first_traceable) as u64;
        owner == layout::OWNED_BY_GENERATOR
            || frame.word(layout.frame_instruction)
                >= code
                    .address
                    .wrapping_add(layout.code_instructions + first_traceable)
    }
}

/// Memory that was found readable as a whole, once, for many loads.
#[derive(Clone, Copy)]
struct Object {
    address: u64,
    len_bytes: u64,
}

impl Object {
    /// `len_bytes` are at most 4096, so that they lie in two pages.
    #[inline(always)]
    fn at(address: u64, len_bytes: u64) -> Option<Object> {
        let last = address.wrapping_add(len_bytes - 1);
        let is_readable = address & 7 == 0
            && is_page_readable(address)
            && (address >> PAGE_SHIFT == last >> PAGE_SHIFT || is_page_readable(last));
        is_readable.then_some(Object { address, len_bytes })
    }

    /// The word at an offset that is a multiple of 8.
    #[inline(always)]
    fn word(self, offset: u64) -> u64 {
        debug_assert!(offset.is_multiple_of(8) && offset + 8 <= self.len_bytes);
        // SAFETY: within what was readable, as the layout's check says, and aligned.
        unsafe { ((self.address + offset) as *const u64).read_volatile() }
    }

    /// The 32 bits at an offset that is a multiple of 4.
    #[inline(always)]
    fn half(self, offset: u64) -> u32 {
        debug_assert!(offset.is_multiple_of(4) && offset + 4 <= self.len_bytes);
        // SAFETY: as in word.
        unsafe { ((self.address + offset) as *const u32).read_volatile() }
    }

    #[inline(always)]
    fn byte(self, offset: u64) -> u8 {
        debug_assert!(offset < self.len_bytes);
        // SAFETY: as in word.
        unsafe { ((self.address + offset) as *const u8).read_volatile() }
    }
}

/// Of the smallest pages there are.
const PAGE_SHIFT: u32 = 12;

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

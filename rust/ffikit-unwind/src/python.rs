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

mod discovery;
mod frames;
pub mod layout;
mod names;
#[cfg(test)]
mod tests;

pub use discovery::{discover, forget, interpreter, refused, Reason, Refusal};
pub use frames::{this_thread, Frames};
pub use names::{describe, site, Description, Site};

use crate::memory::{load_u32, load_u64};
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
        if owner == layout::OWNED_BY_GENERATOR {
            return Some(true);
        }
        let instruction = word(frame, self.layout.frame_instruction)?;
        let first_traceable = load_u32(code.wrapping_add(self.layout.code_first_traceable))? as u64;
        Some(instruction >= code.wrapping_add(self.layout.code_instructions + 2 * first_traceable))
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

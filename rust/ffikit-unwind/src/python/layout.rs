//! Where each version of CPython keeps what is read here.
//!
//! From 3.13 on the interpreter says it itself: `_PyRuntime` begins with
//! `_Py_DebugOffsets` (Include/internal/pycore_debug_offsets.h, in 3.13
//! pycore_runtime.h), and only the place of the words in that table is known here.
//! 3.11 and 3.12 say nothing: their offsets are written down, and what can be
//! checked in the process is checked (the sizes that the types themselves name).
//! The layouts of all patch releases that were looked at are equal within a minor
//! version: 3.11.2 and .7, 3.12.1 and .10, 3.13.0, .5 and .18 (of 3.14 and 3.15 only .10 and
//! .2 were); tests/python_layout.rs compares those it finds with their own headers.

use super::Reason;
use crate::memory::{copy, copy_u64};

/// How the frames of one activation of the interpreter loop are told from the next one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// 3.11: a `_PyCFrame` on the C stack; the run ends with the frame that is marked as entry.
    MarkedEntry,
    /// 3.12: a `_PyCFrame` on the C stack; the run ends before a frame that lies on the C stack.
    FrameOnStack,
    /// 3.13 and 3.14: one chain of frames; those that lie on the C stack part the runs.
    OneChain,
    /// 3.15: as before, with one frame below all others that is no activation's.
    BasedChain,
}

/// Offsets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What parts the runs.
    pub runs: Runs,
    /// `_PyRuntimeState.interpreters.head`.
    pub interpreters_head: u64,
    /// `PyInterpreterState.next`.
    pub interpreter_next: u64,
    /// `PyInterpreterState.threads.head`.
    pub threads_head: u64,
    /// `PyThreadState.next`.
    pub thread_next: u64,
    /// `PyThreadState.interp`.
    pub thread_interpreter: u64,
    /// `PyThreadState.thread_id`: pthread_self().
    pub thread_id: u64,
    /// `PyThreadState.native_thread_id`: gettid().
    pub native_thread_id: u64,
    /// `PyThreadState.cframe`, from 3.13 on `current_frame`.
    pub thread_current: u64,
    /// `_PyCFrame.current_frame`, up to 3.12.
    pub cframe_current_frame: u64,
    /// `_PyCFrame.previous`, up to 3.12.
    pub cframe_previous: u64,
    /// How much of a frame is read.
    pub frame_bytes: u64,
    /// `_PyInterpreterFrame.f_code`, from 3.13 on `f_executable`.
    pub frame_code: u64,
    /// `_PyInterpreterFrame.previous`.
    pub frame_previous: u64,
    /// `_PyInterpreterFrame.prev_instr`, from 3.13 on `instr_ptr`.
    pub frame_instruction: u64,
    /// `_PyInterpreterFrame.owner`.
    pub frame_owner: u64,
    /// `_PyInterpreterFrame.is_entry`, in 3.11.
    pub frame_is_entry: u64,
    /// `PyCodeObject.co_firstlineno`.
    pub code_first_line: u64,
    /// `PyCodeObject.co_filename`.
    pub code_file: u64,
    /// `PyCodeObject.co_qualname`.
    pub code_qualname: u64,
    /// `PyCodeObject.co_linetable`.
    pub code_line_table: u64,
    /// `PyCodeObject._co_firsttraceable`.
    pub code_first_traceable: u64,
    /// `PyCodeObject.co_version`, from 3.12 on; 0: there is none.
    pub code_version: u64,
    /// `PyCodeObject.co_code_adaptive`, which ends the object.
    pub code_instructions: u64,
    /// Where the characters of an ASCII string are: sizeof(PyASCIIObject).
    pub text_ascii_data: u64,
    /// Where those of another compact string are: sizeof(PyCompactUnicodeObject).
    pub text_data: u64,
}

// The same in all versions; tests/python_layout.rs compares these too.
/// `PyObject.ob_refcnt`, of which the low 32 bits are looked at.
pub const OBJECT_REFERENCES: u64 = 0;
/// `PyObject.ob_type`.
pub const OBJECT_TYPE: u64 = 8;
/// `PyVarObject.ob_size`.
pub const OBJECT_SIZE: u64 = 16;
/// `PyTypeObject.tp_name`.
pub const TYPE_NAME: u64 = 24;
/// `PyTypeObject.tp_basicsize`.
pub const TYPE_BASIC_SIZE: u64 = 32;
/// `PyBytesObject.ob_sval`.
pub const BYTES_DATA: u64 = 32;
/// `PyASCIIObject.length`, in characters.
pub const TEXT_LENGTH: u64 = 16;
/// `PyASCIIObject.state`, 32 bits.
pub const TEXT_STATE: u64 = 32;
/// The bits of `state.kind`: bytes a character.
pub const TEXT_STATE_KIND: u32 = 7 << 2;
/// The bit of `state.compact`: the characters follow the object.
pub const TEXT_STATE_COMPACT: u32 = 1 << 5;
/// The bit of `state.ascii`.
pub const TEXT_STATE_ASCII: u32 = 1 << 6;

/// `FRAME_OWNED_BY_GENERATOR`.
pub const OWNED_BY_GENERATOR: u8 = 1;
/// `FRAME_OWNED_BY_CSTACK`, from 3.14 on `FRAME_OWNED_BY_INTERPRETER`; what is above
/// it is no Python frame either. 3.11 has none.
pub const OWNED_BY_STACK: u8 = 3;

pub(super) const LAYOUT_3_11: Layout = Layout {
    runs: Runs::MarkedEntry,
    interpreters_head: 40,
    interpreter_next: 0,
    threads_head: 16,
    thread_next: 8,
    thread_interpreter: 16,
    thread_id: 152,
    native_thread_id: 160,
    thread_current: 56,
    cframe_current_frame: 8,
    cframe_previous: 16,
    frame_bytes: 80,
    frame_code: 32,
    frame_previous: 48,
    frame_instruction: 56,
    frame_owner: 69,
    frame_is_entry: 68,
    code_first_line: 72,
    code_file: 112,
    code_qualname: 128,
    code_line_table: 136,
    code_first_traceable: 168,
    code_version: 0,
    code_instructions: 184,
    text_ascii_data: 48,
    text_data: 72,
};

pub(super) const LAYOUT_3_12: Layout = Layout {
    runs: Runs::FrameOnStack,
    threads_head: 72,
    thread_id: 136,
    native_thread_id: 144,
    cframe_current_frame: 0,
    cframe_previous: 8,
    frame_code: 0,
    frame_previous: 8,
    frame_owner: 70,
    frame_is_entry: 0,
    code_first_line: 68,
    code_first_traceable: 176,
    code_version: 92,
    code_instructions: 192,
    text_ascii_data: 40,
    text_data: 56,
    ..LAYOUT_3_11
};

/// Where `_Py_DebugOffsets` has the words that are wanted.
struct Offsets {
    /// thread_state.next; interp, current_frame follow.
    thread_state_next: u64,
    /// thread_state.thread_id; native_thread_id follows.
    thread_state_thread_id: u64,
    /// interpreter_frame.previous; executable, instr_ptr follow, then localsplus and owner.
    frame_previous: u64,
    /// code_object.size; filename, name, qualname, linetable, firstlineno follow.
    code_size: u64,
    /// code_object.co_code_adaptive.
    code_instructions: u64,
    /// unicode_object.state; length, asciiobject_size follow.
    text_state: u64,
    /// bytes_object.ob_size; ob_sval follows.
    bytes_size: u64,
    /// What parts the runs.
    runs: Runs,
    /// How far before `co_code_adaptive` `_co_firsttraceable` is: the table has no word for it.
    first_traceable_back: u64,
}

const OFFSETS_3_13: Offsets = Offsets {
    runs: Runs::OneChain,
    thread_state_next: 168,
    thread_state_thread_id: 192,
    frame_previous: 232,
    code_size: 272,
    code_instructions: 344,
    text_state: 544,
    bytes_size: 520,
    first_traceable_back: 16,
};

const OFFSETS_3_14: Offsets = Offsets {
    runs: Runs::OneChain,
    thread_state_next: 192,
    thread_state_thread_id: 216,
    frame_previous: 256,
    code_size: 312,
    code_instructions: 384,
    text_state: 624,
    bytes_size: 600,
    first_traceable_back: 16,
};

const OFFSETS_3_15: Offsets = Offsets {
    runs: Runs::BasedChain,
    thread_state_next: 192,
    thread_state_thread_id: 240,
    frame_previous: 320,
    code_size: 376,
    code_instructions: 448,
    text_state: 720,
    bytes_size: 696,
    first_traceable_back: 16,
};

/// `_Py_DebugOffsets.runtime_state.interpreters_head`, the same in 3.13 to 3.15.
const RUNTIME_INTERPRETERS_HEAD: u64 = 40;
/// `_Py_DebugOffsets.interpreter_state.next`; threads_head follows. The same in 3.13 to 3.15.
const INTERPRETER_NEXT: u64 = 64;

/// No structure that is read is larger, `PyInterpreterState` excepted.
const OFFSET_MAX: u64 = 1 << 12;
const INTERPRETER_OFFSET_MAX: u64 = 1 << 20;

/// The layout of the interpreter whose `_PyRuntime` is at `runtime`.
pub fn of(version_hex: u32, runtime: u64) -> Result<Layout, Reason> {
    // PY_VERSION_HEX: major, minor, micro, then the release level in 4 bits (a, b, c, f) and its serial.
    if matches!(version_hex >> 4 & 0xf, 0xa | 0xb) {
        return Err(Reason::Prerelease);
    }
    match version_hex >> 16 {
        0x030b => Ok(LAYOUT_3_11),
        0x030c => Ok(LAYOUT_3_12),
        0x030d => told(version_hex, runtime, &OFFSETS_3_13),
        0x030e => told(version_hex, runtime, &OFFSETS_3_14),
        0x030f => told(version_hex, runtime, &OFFSETS_3_15),
        older if older < 0x030b => Err(Reason::Older),
        _ => Err(Reason::Newer),
    }
}

/// Reads what the interpreter says of itself.
fn told(version_hex: u32, runtime: u64, offsets: &Offsets) -> Result<Layout, Reason> {
    // cookie, version, free_threaded.
    let mut head = [0; 24];
    if !copy(runtime, &mut head) {
        return Err(Reason::Unreadable);
    }
    let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap_or_default());
    if head[..8] != *b"xdebugpy" || word(8) != version_hex as u64 {
        return Err(Reason::Unexpected);
    }
    if word(16) != 0 {
        return Err(Reason::FreeThreaded);
    }
    let bounded = |at: u64, max: u64| match copy_u64(runtime + at) {
        Some(offset) if offset < max => Ok(offset),
        Some(_) => Err(Reason::Unexpected),
        None => Err(Reason::Unreadable),
    };
    let offset = |at: u64| bounded(at, OFFSET_MAX);
    let code_instructions = offset(offsets.code_instructions)?;
    let code_first_line = offset(offsets.code_size + 40)?;
    let text_ascii_data = offset(offsets.text_state + 16)?;
    let layout = Layout {
        runs: offsets.runs,
        interpreters_head: bounded(RUNTIME_INTERPRETERS_HEAD, INTERPRETER_OFFSET_MAX)?,
        interpreter_next: bounded(INTERPRETER_NEXT, INTERPRETER_OFFSET_MAX)?,
        threads_head: bounded(INTERPRETER_NEXT + 8, INTERPRETER_OFFSET_MAX)?,
        thread_next: offset(offsets.thread_state_next)?,
        thread_interpreter: offset(offsets.thread_state_next + 8)?,
        thread_current: offset(offsets.thread_state_next + 16)?,
        thread_id: offset(offsets.thread_state_thread_id)?,
        native_thread_id: offset(offsets.thread_state_thread_id + 8)?,
        cframe_current_frame: 0,
        cframe_previous: 0,
        frame_bytes: OFFSET_MAX,
        frame_previous: offset(offsets.frame_previous)?,
        frame_code: offset(offsets.frame_previous + 8)?,
        frame_instruction: offset(offsets.frame_previous + 16)?,
        frame_owner: offset(offsets.frame_previous + 32)?,
        frame_is_entry: 0,
        code_first_line,
        code_file: offset(offsets.code_size + 8)?,
        code_qualname: offset(offsets.code_size + 24)?,
        code_line_table: offset(offsets.code_size + 32)?,
        code_first_traceable: code_instructions.wrapping_sub(offsets.first_traceable_back),
        // Six words of 32 bits further: tests/python_layout.rs.
        code_version: code_first_line + 24,
        code_instructions,
        text_ascii_data,
        // PyCompactUnicodeObject adds utf8_length and utf8.
        text_data: text_ascii_data + 16,
    };
    let is_as_expected = offset(offsets.text_state)? == TEXT_STATE
        && offset(offsets.text_state + 8)? == TEXT_LENGTH
        && offset(offsets.bytes_size)? == OBJECT_SIZE
        && offset(offsets.bytes_size + 8)? == BYTES_DATA
        && layout.code_first_traceable > layout.code_line_table;
    let layout = Layout {
        frame_bytes: layout.frame_end(),
        ..layout
    };
    (is_as_expected && layout.is_sound())
        .then_some(layout)
        .ok_or(Reason::Unexpected)
}

impl Layout {
    /// The end of what is read of a frame.
    fn frame_end(&self) -> u64 {
        let words = [self.frame_code, self.frame_previous, self.frame_instruction];
        let words = words.iter().map(|offset| offset + 8).max();
        words
            .unwrap_or(0)
            .max(self.frame_owner + 1)
            .max(self.frame_is_entry + 1)
    }

    /// Whether frames and code objects can be read without a look at each offset:
    /// aligned words within the object, and no object over two pages.
    pub(super) fn is_sound(&self) -> bool {
        let frame_words = [self.frame_code, self.frame_previous, self.frame_instruction];
        let code_words = [self.code_file, self.code_qualname, self.code_line_table];
        let code_halves = [self.code_first_line, self.code_first_traceable, self.code_version];
        let end = self.code_instructions;
        self.frame_end() <= self.frame_bytes
            && self.frame_bytes <= OFFSET_MAX
            && frame_words.iter().all(|offset| offset % 8 == 0)
            && (OBJECT_SIZE + 8..=OFFSET_MAX).contains(&end)
            && code_words
                .iter()
                .all(|offset| offset % 8 == 0 && offset + 8 <= end)
            && code_halves
                .iter()
                .all(|offset| offset % 4 == 0 && offset + 4 <= end)
    }
}

//! What a walk gives: frames, each in one word, and why there are no more.

/// One frame of a walked stack, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Frame(u64);

pub(crate) const IS_PYTHON: u64 = 1 << 63;
pub(crate) const IS_EXACT: u64 = 1 << 62;

impl Frame {
    /// A caller, by its return address: what is looked up is one byte less.
    #[inline(always)]
    pub const fn return_address(abs_addr: u64) -> Frame {
        Frame(abs_addr)
    }

    /// A function that was interrupted at this very instruction.
    pub const fn interrupted(abs_addr: u64) -> Frame {
        // A program may jump anywhere; what is no address must not pass for a Python frame.
        Frame(abs_addr & !IS_PYTHON | IS_EXACT)
    }

    /// A Python frame, by the address of its `_PyInterpreterFrame`.
    pub const fn python(frame: u64) -> Frame {
        Frame(frame | IS_PYTHON)
    }

    /// As one word: bit 63 Python, bit 62 exact, the rest the address.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// What [`Frame::bits`] gave.
    pub const fn from_bits(bits: u64) -> Frame {
        Frame(bits)
    }

    /// The address in the code to look up: within the call, or the interrupted instruction.
    pub const fn lookup_address(self) -> Option<u64> {
        match self.0 >> 62 {
            0 => Some(self.0.wrapping_sub(1)),
            1 => Some(self.0 & !IS_EXACT),
            _ => None,
        }
    }

    /// The address of the `_PyInterpreterFrame`, for a Python frame. It is alive as
    /// long as the thread does not return into the interpreter: use it before the hook ends.
    pub const fn python_frame(self) -> Option<u64> {
        if self.0 & IS_PYTHON != 0 {
            Some(self.0 & !(IS_PYTHON | IS_EXACT))
        } else {
            None
        }
    }
}

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum End {
    /// At the outermost frame.
    Complete = 0,
    /// There is no more room for frames.
    Full = 1,
    /// The code is in no loaded module: made at run time, or unloaded.
    UnknownCode = 2,
    /// The code has no CFI.
    NoCfi = 3,
    /// Its CFI can't be read.
    CorruptCfi = 4,
    /// The frame lies where nothing can be read.
    Unreadable = 5,
    /// The caller would not lie above: the stack is damaged.
    NotAscending = 6,
    /// Go code that calls in a way that is not known.
    UnknownGo = 7,
    /// Too many threads are looking up rules at this moment.
    Busy = 8,
    /// [`crate::module::prepare`] has not found what it needs.
    NotPrepared = 9,
}

impl End {
    /// All, by their codes.
    pub const ALL: [End; 10] = [
        End::Complete,
        End::Full,
        End::UnknownCode,
        End::NoCfi,
        End::CorruptCfi,
        End::Unreadable,
        End::NotAscending,
        End::UnknownGo,
        End::Busy,
        End::NotPrepared,
    ];

    /// The code that evidence files have.
    pub const fn code(self) -> u32 {
        self as u32
    }

    pub(crate) fn from_code(code: u32) -> End {
        End::ALL.get(code as usize).copied().unwrap_or(End::CorruptCfi)
    }
}

/// What a walk gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// How many frames were written.
    pub len: usize,
    /// Why there are no more.
    pub end: End,
}

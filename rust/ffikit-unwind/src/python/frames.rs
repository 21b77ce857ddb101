//! The Python frames of a thread, parted by the activations of the interpreter loop that run them.

use super::layout::{Runs, OWNED_BY_STACK};
use super::{word, Interpreter};
use crate::arch::syscall4;
use crate::memory::{copy_u64, is_readable};
use crate::rules::is_unloading;

/// How many thread states may belong to one thread: one for each interpreter that
/// runs on it, inside each other.
const CHAINS: usize = 4;
/// How many frames are passed in one walk, and how many interpreters and threads
/// are looked at, before it counts as a loop.
const FRAMES_MAX: u32 = 1 << 16;
const INTERPRETERS_MAX: usize = 256;
const THREADS_MAX: usize = 4096;

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
    if is_unloading() && !is_readable(interpreter.this_thread_state) {
        return None;
    }
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
        frames.add(word(thread_state, interpreter.layout.thread_current));
    }
    interpreter.other_states_of_this_thread(thread_state, &mut frames);
    frames.choose();
    (frames.entry != NOWHERE).then_some(frames)
}

impl Interpreter {
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
                    frames.add(copy_u64(thread.wrapping_add(layout.thread_current)));
                }
                thread = copy_u64(thread.wrapping_add(layout.thread_next)).unwrap_or(0);
            }
            interpreter = copy_u64(interpreter.wrapping_add(layout.interpreter_next)).unwrap_or(0);
            if interpreter == 0 {
                return;
            }
        }
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

    /// Adds what a thread state runs, by what it has as current.
    fn add(&mut self, current: Option<u64>) {
        if self.chains_len == CHAINS {
            return;
        }
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
        if matches!(layout.runs, Runs::MarkedEntry | Runs::FrameOnStack) {
            let frame = word(current, layout.cframe_current_frame)?;
            return (frame != 0).then_some(Chain {
                entry: current,
                frame,
            });
        }
        let mut frame = current;
        loop {
            let object = self.interpreter.frame(frame)?;
            let previous = object.word(layout.frame_previous);
            if object.byte(layout.frame_owner) >= OWNED_BY_STACK {
                let is_base = previous == 0 && layout.runs == Runs::BasedChain;
                return (!is_base).then_some(Chain {
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
        while frame != 0 {
            self.spend()?;
            let object = interpreter.frame(frame)?;
            let owner = object.byte(layout.frame_owner);
            let previous = object.word(layout.frame_previous);
            if layout.runs != Runs::MarkedEntry && owner >= OWNED_BY_STACK {
                if layout.runs == Runs::FrameOnStack {
                    break;
                }
                return self.chain(previous);
            }
            let code = interpreter.code_of(object)?;
            if interpreter.is_shown(object, code, owner) && !each(frame) {
                return None;
            }
            if layout.runs == Runs::MarkedEntry && object.byte(layout.frame_is_entry) != 0 {
                break;
            }
            frame = previous;
        }
        if matches!(layout.runs, Runs::OneChain | Runs::BasedChain) {
            return None;
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

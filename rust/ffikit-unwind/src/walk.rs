//! The walk itself: from registers to frames, through all languages.

mod go_frames;
mod trail;

use crate::arch::{code_address, Registers, Rule, Step};
use crate::bounds::StackBounds;
use crate::cfi::{self, Cfa, Saved};
pub use crate::frame::{End, Frame, Walk};
use crate::frame::{IS_EXACT, IS_PYTHON};
use crate::memory::{is_readable, PAGE_BYTES};
use crate::module::Module;
use crate::python;
use crate::rules::{cached_plain, generation, rule};
use core::cell::Cell;
use core::mem::MaybeUninit;
pub use trail::Trail;

/// Walks the calling thread's stack from `from` (leaf: `from.pc` itself is not
/// written) to its root, and writes the callers, innermost first, into `frames`.
///
/// `bounds` are those of the thread's own stack; where they are unknown, or the
/// thread runs on another stack, the walk is right but slower. Nothing is
/// allocated, no lock is taken, errno stays: it may be called anywhere, also in a
/// signal handler.
///
/// # Safety
/// `from` holds registers of the calling thread: [`Registers::here`] in a frame that
/// is still alive, or those of a signal's context inside its handler. `bounds` are
/// the thread's own, or unknown.
pub unsafe fn walk(from: &Registers, bounds: StackBounds, frames: &mut [Frame]) -> Walk {
    // SAFETY: a frame that is set stays set: only frames are ever written.
    let frames = unsafe { &mut *(frames as *mut [Frame] as *mut [MaybeUninit<Frame>]) };
    // SAFETY: the caller's promise.
    let (frames, end) = unsafe { walk_into(from, bounds, frames, None) };
    Walk {
        len: frames.len(),
        end,
    }
}

/// As [`walk`], into room that need not be set before: gives the frames that were written.
/// With the trail of this thread's last walk it is faster where most of the stack is what it was.
///
/// # Safety
/// As [`walk`].
#[inline(always)]
pub unsafe fn walk_into<'f>(
    from: &Registers,
    bounds: StackBounds,
    frames: &'f mut [MaybeUninit<Frame>],
    trail: Option<&mut Trail>,
) -> (&'f mut [Frame], End) {
    let interpreters = python::interpreter().is_some();
    let mut walker = Walker::new(from, bounds, &mut *frames);
    walker.take_trail(trail);
    let mut end = walker.run::<false>();
    // The walk itself may find out that there is an interpreter, and which.
    let again = !interpreters && python::interpreter().is_some();
    if again || walker.needs_all_registers {
        let slow = walker.needs_all_registers;
        walker = Walker::new(from, bounds, &mut *frames);
        end = if slow {
            walker.run::<true>()
        } else {
            walker.run::<false>()
        };
        if walker.needs_all_registers && !slow {
            walker = Walker::new(from, bounds, &mut *frames);
            end = walker.run::<true>();
        }
    }
    if let Some(trail) = walker.trail.take() {
        trail.end();
    }
    let len = walker.len;
    let written = frames.get_mut(..len).unwrap_or_default();
    // SAFETY: the walker has written the first `len`.
    let written = unsafe { &mut *(written as *mut [MaybeUninit<Frame>] as *mut [Frame]) };
    (written, end)
}

fn evaluate(
    expression: cfi::Slice<'_>,
    initial: Option<u64>,
    register: impl Fn(u16) -> Option<u64>,
) -> Result<u64, End> {
    cfi::evaluate(expression, initial, register).ok_or(End::Unreadable)
}

struct Walker<'f> {
    /// The first `len` are written.
    frames: &'f mut [MaybeUninit<Frame>],
    len: usize,
    at: Registers,
    /// Memory that is known to be mapped: the thread's stack from where it is now. `window_len` is 7 short,
    /// so that a whole word starts before its end; 0: nothing is known.
    window_start: u64,
    window_len: u64,
    bounds: StackBounds,
    generation: u64,
    python: Option<python::Frames>,
    /// Where the next run of Python frames belongs; see [`python::Frames::entry`].
    python_entry: u64,
    needs_all_registers: bool,
    /// Where the kernel left the registers of the frame that was interrupted: those that calls do not
    /// preserve still count there. 0: this frame made a call.
    context: u64,
    /// The page outside of the window that was last found readable; u64::MAX: none.
    readable_page: Cell<u64>,
    trail: Option<&'f mut Trail>,
    /// Where on the trail the walk may be, or will come to.
    on_trail: usize,
}

impl<'f> Walker<'f> {
    #[inline(always)]
    fn new(from: &Registers, bounds: StackBounds, frames: &'f mut [MaybeUninit<Frame>]) -> Walker<'f> {
        let python = python::interpreter().and_then(python::this_thread);
        let python_entry = python.as_ref().map_or(u64::MAX, python::Frames::entry);
        let mut walker = Walker {
            frames,
            len: 0,
            at: *from,
            window_start: 0,
            window_len: 0,
            bounds,
            generation: generation(),
            python,
            python_entry,
            needs_all_registers: false,
            context: 0,
            readable_page: Cell::new(u64::MAX),
            trail: None,
            on_trail: 0,
        };
        walker.enter_stack();
        if walker.window_len != 0 {
            // Below lie this walk's own frames: only a forged context leads there.
            walker.bounds.low = from.sp;
        }
        walker
    }

    /// Goes along the trail of the thread's last walk, if this is the thread's own stack.
    #[inline(always)]
    fn take_trail(&mut self, trail: Option<&'f mut Trail>) {
        if self.window_len != 0 {
            if let Some(trail) = trail {
                self.on_trail = trail.begin(self.generation, self.bounds.high);
                self.trail = Some(trail);
            }
        }
    }

    /// Sets the window by where the stack pointer is now.
    #[inline(always)]
    fn enter_stack(&mut self) {
        let sp = self.at.sp;
        if self.bounds.contains(sp) {
            self.window_start = sp;
            self.window_len = (self.bounds.high - sp).saturating_sub(7);
        } else {
            self.window_len = 0;
        }
    }

    #[inline(always)]
    fn load(&self, abs_addr: u64) -> Option<u64> {
        if abs_addr.wrapping_sub(self.window_start) < self.window_len {
            // SAFETY: the word lies in the part of this thread's stack that is in use.
            return Some(unsafe { (abs_addr as *const u64).read_unaligned() });
        }
        self.load_elsewhere(abs_addr)
    }

    /// Not in the part of the stack that is known to be mapped: each page is asked for once in a walk. (That it
    /// was readable in an earlier walk says nothing: what a damaged stack names may have been unmapped since.)
    #[cold]
    #[inline(never)]
    fn load_elsewhere(&self, abs_addr: u64) -> Option<u64> {
        let page = abs_addr / PAGE_BYTES;
        if abs_addr & 7 != 0 || (self.readable_page.get() != page && !is_readable(abs_addr)) {
            return None;
        }
        self.readable_page.set(page);
        // SAFETY: an aligned word lies within one page, which can be read.
        Some(unsafe { (abs_addr as *const u64).read_volatile() })
    }

    #[inline(always)]
    fn push(&mut self, frame: Frame) -> Result<(), End> {
        self.frames.get_mut(self.len).ok_or(End::Full)?.write(frame);
        self.len += 1;
        Ok(())
    }

    /// The frame that was written last.
    fn last(&self) -> Option<Frame> {
        let last = self.frames.get(self.len.checked_sub(1)?)?;
        // SAFETY: the first `len` are written.
        Some(unsafe { last.assume_init() })
    }

    #[inline(always)]
    fn run<const ALL: bool>(&mut self) -> End {
        match self.native::<ALL>() {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Through code that has CFI, and wherever that leads.
    #[inline(always)]
    fn native<const ALL: bool>(&mut self) -> Result<core::convert::Infallible, End> {
        // The rule of a return address is that of the call before it; what was
        // interrupted, and the leaf, is looked up where it stands.
        let mut key = self.at.pc.wrapping_add(1).max(1);
        loop {
            if !ALL {
                key = match self.trail.take() {
                    Some(trail) if self.window_len != 0 => {
                        let key = self.plain_on(trail, key);
                        self.trail = Some(trail);
                        key
                    }
                    trail => {
                        self.trail = trail;
                        self.plain(key)
                    }
                };
            }
            if key == 0 {
                return Err(End::Complete);
            }
            let rule = match rule(key, self.generation) {
                Ok(rule) => rule,
                Err(end) => {
                    self.return_from_wild_jump(key, end)?;
                    key = self.at.pc;
                    continue;
                }
            };
            if rule.is_plain() && !ALL {
                // The one frame that plain() has left over: not in the window, or with Python's frames.
                self.step_plain(rule)?;
            } else {
                key = self.unusual::<ALL>(key, rule)?;
                if key != 0 {
                    continue;
                }
            }
            key = self.at.pc;
            if key != 0 {
                self.push(Frame::return_address(key))?;
            }
        }
    }

    /// The fast lane: frames of plain rules, all in the thread's own stack, for
    /// as long as nothing else comes. Gives the key to go on with; 0: that was the root.
    #[inline(always)]
    fn plain(&mut self, mut key: u64) -> u64 {
        let (mut sp, mut fp, mut len) = (self.at.sp, self.at.fp, self.len);
        let (start, window_len, entry) = (self.window_start, self.window_len, self.python_entry);
        while let Some(rule) = cached_plain(key, self.generation) {
            let cfa = rule.cfa(sp, fp);
            let return_at = cfa.wrapping_add_signed(rule.return_offset());
            let is_usual =
                cfa > sp && return_at.wrapping_sub(start) < window_len && entry.wrapping_sub(sp) >= cfa - sp;
            if !is_usual {
                break;
            }
            let Some(frame) = self.frames.get_mut(len) else {
                break;
            };
            let offset = rule.fp_offset();
            if offset != 0 {
                let saved_at = cfa.wrapping_add_signed(offset);
                if saved_at.wrapping_sub(start) >= window_len {
                    break;
                }
                // SAFETY: in the part of this thread's stack that is in use.
                fp = unsafe { (saved_at as *const u64).read_unaligned() };
            }
            // SAFETY: as above.
            key = code_address(unsafe { (return_at as *const u64).read_unaligned() });
            sp = cfa;
            if key == 0 {
                break;
            }
            frame.write(Frame::return_address(key));
            len += 1;
        }
        self.at.sp = sp;
        self.at.fp = fp;
        // Where the walk has not moved, this is one more than the address of what was interrupted.
        self.at.pc = key;
        self.len = len;
        key
    }

    fn step_plain(&mut self, rule: Rule) -> Result<(), End> {
        let cfa = rule.cfa(self.at.sp, self.at.fp);
        self.leave_frame(cfa)?;
        let offset = rule.fp_offset();
        if offset != 0 {
            self.at.fp = self
                .load(cfa.wrapping_add_signed(offset))
                .ok_or(End::Unreadable)?;
        }
        let return_at = cfa.wrapping_add_signed(rule.return_offset());
        self.at.pc = code_address(self.load(return_at).ok_or(End::Unreadable)?);
        self.at.sp = cfa;
        Ok(())
    }

    /// Steps by a rule that is not plain, or with all registers. Gives the key to go on
    /// with where that frame is already written, else 0.
    #[cold]
    #[inline(never)]
    fn unusual<const ALL: bool>(&mut self, key: u64, rule: Rule) -> Result<u64, End> {
        if rule.is_plain() {
            self.step_with_all_registers(key)?;
            return Ok(0);
        }
        match rule.step() {
            Step::Outermost => Err(End::Complete),
            Step::Failing(End::NoCfi) => self.skip_to_go(key),
            Step::Failing(end) => Err(end),
            Step::Go => self.go(key),
            Step::Signal => self.leave_signal(),
            Step::Special if !ALL => {
                let caller = rule.special(&self.at, |at| self.load(at));
                let caller = caller.ok_or(End::Unreadable)?;
                if !(Rule::SPECIAL_IS_LEAF && caller.sp == self.at.sp) {
                    self.leave_frame(caller.sp)?;
                }
                self.at = caller;
                Ok(0)
            }
            Step::Special => {
                self.step_with_all_registers(key)?;
                Ok(0)
            }
            Step::Slow if !ALL => {
                self.needs_all_registers = true;
                Err(End::NoCfi)
            }
            Step::Slow => {
                self.step_with_all_registers(key)?;
                Ok(0)
            }
        }
    }

    /// Checks that the caller's frame lies above this one, and writes the Python
    /// frames that this one runs.
    #[inline(always)]
    fn leave_frame(&mut self, cfa: u64) -> Result<(), End> {
        let sp = self.at.sp;
        if cfa <= sp {
            return Err(End::NotAscending);
        }
        if self.python_entry.wrapping_sub(sp) < cfa - sp {
            self.write_python_run()?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn write_python_run(&mut self) -> Result<(), End> {
        let Some(mut python) = self.python.take() else {
            return Ok(());
        };
        let mut written = Ok(());
        python.take_run(|frame| {
            written = self.push(Frame::python(frame));
            written.is_ok()
        });
        self.python_entry = python.entry();
        self.python = Some(python);
        written
    }

    /// A call through a bad pointer interrupts nothing that has CFI, but its return
    /// address lies on top of the stack.
    #[cold]
    fn return_from_wild_jump(&mut self, key: u64, end: End) -> Result<(), End> {
        if end != End::UnknownCode || !self.is_interrupted(key) {
            self.mask_last();
            return Err(end);
        }
        let caller = self.at.before_wild_jump(|at| self.load(at)).ok_or(end)?;
        rule(caller.pc, self.generation).map_err(|_| end)?;
        self.context = 0;
        self.at = caller;
        self.push(Frame::return_address(caller.pc))
    }

    /// A damaged stack may hold anything: what is no address must not pass for a frame of another kind.
    #[cold]
    fn mask_last(&mut self) {
        if self.at.pc & (IS_PYTHON | IS_EXACT) != 0 && self.last().map(Frame::bits) == Some(self.at.pc) {
            self.frames[self.len - 1].write(Frame::from_bits(self.at.pc & !(IS_PYTHON | IS_EXACT)));
        }
    }

    /// From a signal trampoline to what the signal interrupted. Gives the key to go on with.
    fn leave_signal(&mut self) -> Result<u64, End> {
        let context = self.at.sp;
        self.at = Registers::interrupted(context, |at| self.load(at)).ok_or(End::Unreadable)?;
        self.context = context;
        self.push(Frame::interrupted(self.at.pc))?;
        // On a damaged stack this context is forged, and in a thread that has run out of stack nothing need be there.
        self.window_len = 0;
        if is_readable(self.at.sp) {
            self.enter_stack();
        }
        Ok(self.at.pc.wrapping_add(1).max(1))
    }

    /// Steps by whatever the tables say, with all registers that calls preserve.
    fn step_with_all_registers(&mut self, key: u64) -> Result<(), End> {
        let before = self.at;
        let context = core::mem::take(&mut self.context);
        let module = Module::find(key - 1).ok_or(End::UnknownCode)?;
        let after = cfi::with_row(&module, key - 1, |row| {
            let register = |number| match before.get(number) {
                None if context != 0 => Registers::interrupted_scratch(context, number, |at| self.load(at)),
                value => value,
            };
            let cfa = match row.cfa()? {
                Cfa::Register { number, offset } => {
                    register(number).ok_or(End::NoCfi)?.wrapping_add_signed(offset)
                }
                Cfa::Expression(expression) => evaluate(expression, None, register)?,
            };
            let load = |at| self.load(at).ok_or(End::Unreadable);
            let value = |saved: Saved<'_>| {
                Ok(match saved {
                    Saved::Same | Saved::Undefined => None,
                    Saved::At(offset) => Some(load(cfa.wrapping_add_signed(offset))?),
                    Saved::Is(offset) => Some(cfa.wrapping_add_signed(offset)),
                    Saved::In(number) => register(number),
                    Saved::AtExpression(expression) => {
                        Some(load(evaluate(expression, Some(cfa), register)?)?)
                    }
                    Saved::IsExpression(expression) => Some(evaluate(expression, Some(cfa), register)?),
                })
            };
            let mut after = before;
            for number in Registers::PRESERVED {
                match value(row.saved(number)?) {
                    Ok(Some(value)) => after.set(number, value),
                    Ok(None) => {}
                    // gcc's tables are wrong behind the pops of a function that realigns its stack: that
                    // matters only where the CFA goes by this register, and nothing lies at 0.
                    Err(_) => after.set(number, 0),
                }
            }
            after.pc = match row.return_address()? {
                Saved::Undefined => return Err(End::Complete),
                saved => {
                    let saved = value(saved)?.or_else(|| before.unsaved_return_address(key));
                    code_address(saved.ok_or(End::CorruptCfi)?)
                }
            };
            // longjmp says where it goes to.
            after.sp = value(row.saved(Registers::STACK_POINTER)?)?.unwrap_or(cfa);
            Ok(after)
        })?;
        // The end of longjmp has left its frame already.
        if context == 0 || after.sp != before.sp {
            self.leave_frame(after.sp)?;
        }
        self.at = after;
        Ok(())
    }
}

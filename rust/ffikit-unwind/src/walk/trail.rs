//! What the last walk in a thread has found, so that the next one need not find it
//! again: where allocations follow each other most of their stacks is the same.
//!
//! A step by a plain rule depends on three things: the return address, the stack
//! pointer, the frame pointer; and it reads at most two words. Where a walk meets a
//! state of the last one, and the words that were read from there on are the same,
//! so are all the frames. To see that takes a third of the time that walking takes.

use super::Walker;
use crate::arch::code_address;
use crate::frame::Frame;
use crate::rules::cached_plain;

/// How many steps are kept: the outermost ones.
const STEPS: usize = 64;

/// The state of a walk before a step, and the words that the step read.
#[derive(Clone, Copy, Debug)]
struct Step {
    key: u64,
    sp: u64,
    fp: u64,
    /// Where the caller's return address is. 0: the plain steps end here.
    return_at: u64,
    /// Where the caller's frame pointer is. 0: the step leaves it as it is.
    fp_at: u64,
}

impl Step {
    const NONE: Step = Step {
        key: 0,
        sp: 0,
        fp: 0,
        return_at: 0,
        fp_at: 0,
    };
}

/// The trail of a thread's last walk. It belongs to one thread, and to one walk at a
/// time. All zeros is a trail of nothing.
#[derive(Debug)]
pub struct Trail {
    /// What the rules and the stack were: a trail of others says nothing.
    generation: u64,
    stack_end: u64,
    /// How many steps there are: the last ones of `steps`, the leaf's first.
    len: usize,
    steps: [Step; STEPS],
    /// What this walk has found so far that was not on the trail.
    fresh_len: usize,
    fresh: [Step; STEPS],
}

impl Default for Trail {
    fn default() -> Trail {
        Trail::new()
    }
}

impl Trail {
    /// A trail of nothing.
    pub const fn new() -> Trail {
        Trail {
            generation: 0,
            stack_end: 0,
            len: 0,
            steps: [Step::NONE; STEPS],
            fresh_len: 0,
            fresh: [Step::NONE; STEPS],
        }
    }

    /// Begins a walk; gives where on the trail to look first.
    #[inline(always)]
    pub(super) fn begin(&mut self, generation: u64, stack_end: u64) -> usize {
        self.fresh_len = 0;
        if self.generation != generation || self.stack_end != stack_end {
            (self.generation, self.stack_end, self.len) = (generation, stack_end, 0);
        }
        STEPS - self.len.min(STEPS)
    }

    #[inline(always)]
    fn push(&mut self, step: Step) {
        if self.fresh_len == STEPS {
            self.drop_half();
        }
        self.fresh[self.fresh_len] = step;
        self.fresh_len += 1;
    }

    /// The outermost steps are those that the next walk will meet again.
    #[cold]
    fn drop_half(&mut self) {
        self.fresh.copy_within(STEPS / 2.., 0);
        self.fresh_len = STEPS / 2;
    }

    /// This walk has come to step `at`, which stays with what is behind it.
    #[inline(always)]
    fn join(&mut self, at: usize) {
        let len = core::mem::take(&mut self.fresh_len).min(at);
        if len == 0 {
            return;
        }
        let (start, skip) = (at - len, len);
        for index in 0..skip {
            self.steps[start + index] = self.fresh[index];
        }
        self.len = STEPS - start;
    }

    /// The walk is over: what it has found last is the end of the trail.
    #[inline(always)]
    pub(super) fn end(&mut self) {
        if self.fresh_len != 0 {
            self.join(STEPS);
        }
    }
}

impl Walker<'_> {
    /// [`Walker::plain`], along the trail as far as that goes.
    #[inline(always)]
    pub(super) fn plain_on(&mut self, trail: &mut Trail, mut key: u64) -> u64 {
        let (mut sp, mut fp) = (self.at.sp, self.at.fp);
        loop {
            while self.on_trail < STEPS && trail.steps[self.on_trail].sp < sp {
                self.on_trail += 1;
            }
            if let Some(step) = trail.steps.get(self.on_trail) {
                if step.key == key && step.sp == sp && step.fp == fp && step.return_at != 0 {
                    trail.join(self.on_trail);
                    let is_lane_over = self.follow(trail);
                    let reached = &trail.steps[self.on_trail];
                    (key, sp, fp) = (reached.key, reached.sp, reached.fp);
                    if is_lane_over {
                        self.on_trail += 1;
                        break;
                    }
                }
            }
            let Some(step) = self.plain_step(key, sp, fp) else {
                trail.push(Step {
                    key,
                    sp,
                    fp,
                    ..Step::NONE
                });
                break;
            };
            trail.push(step.0);
            (key, sp, fp) = step.1;
            if key == 0 {
                trail.push(Step {
                    key,
                    sp,
                    fp,
                    ..Step::NONE
                });
                break;
            }
        }
        (self.at.sp, self.at.fp, self.at.pc) = (sp, fp, key);
        key
    }

    /// Goes along the trail for as long as the words are what they were. True: it has come to
    /// where the plain steps end; false: what the next step reads has changed, or has no room.
    #[inline(always)]
    fn follow(&mut self, trail: &Trail) -> bool {
        let entry = self.python_entry;
        let mut len = self.len;
        let mut at = self.on_trail;
        let is_lane_over = loop {
            let Some([step, next]) = trail.steps.get(at..at + 2) else {
                // The last one has no step.
                break true;
            };
            if step.return_at == 0 {
                break true;
            }
            // SAFETY: both lie between the stack pointer and the end of this thread's stack, as they did
            // when the trail was made: the step is above where this walk stands.
            let (ret, saved) = unsafe {
                let ret = code_address((step.return_at as *const u64).read_unaligned());
                let saved = if step.fp_at == 0 {
                    next.fp
                } else {
                    (step.fp_at as *const u64).read_unaligned()
                };
                (ret, saved)
            };
            let has_python = entry.wrapping_sub(step.sp) < next.sp - step.sp;
            if ret != next.key || saved != next.fp || has_python {
                break false;
            }
            at += 1;
            if ret == 0 {
                break true;
            }
            let Some(frame) = self.frames.get_mut(len) else {
                at -= 1;
                break false;
            };
            frame.write(Frame::return_address(ret));
            len += 1;
        };
        self.len = len;
        self.on_trail = at;
        is_lane_over
    }

    /// One plain step from a state: as it is kept, and the state behind it. None: there is none.
    #[inline(always)]
    fn plain_step(&mut self, key: u64, sp: u64, fp: u64) -> Option<(Step, (u64, u64, u64))> {
        let (start, window_len) = (self.window_start, self.window_len);
        let rule = cached_plain(key, self.generation)?;
        let cfa = rule.cfa(sp, fp);
        let return_at = cfa.wrapping_add_signed(rule.return_offset());
        let is_usual = cfa > sp
            && return_at >= sp
            && return_at.wrapping_sub(start) < window_len
            && self.python_entry.wrapping_sub(sp) >= cfa - sp;
        if !is_usual {
            return None;
        }
        let (mut fp_at, mut caller_fp) = (0, fp);
        let offset = rule.fp_offset();
        if offset != 0 {
            fp_at = cfa.wrapping_add_signed(offset);
            if fp_at < sp || fp_at.wrapping_sub(start) >= window_len {
                return None;
            }
            // SAFETY: in the part of this thread's stack that is in use.
            caller_fp = unsafe { (fp_at as *const u64).read_unaligned() };
        }
        let frame = self.frames.get_mut(self.len)?;
        // SAFETY: as above.
        let caller = code_address(unsafe { (return_at as *const u64).read_unaligned() });
        if caller != 0 {
            frame.write(Frame::return_address(caller));
            self.len += 1;
        }
        let step = Step {
            key,
            sp,
            fp,
            return_at,
            fp_at,
        };
        Some((step, (caller, cfa, caller_fp)))
    }
}

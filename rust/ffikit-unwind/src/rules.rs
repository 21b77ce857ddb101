//! The flat cache of unwind rules: return address → how to get to the caller.
//! Global, direct-mapped, read and written without a lock.
//!
//! An entry is two words, and two writers may leave the key of one beside the rule
//! of the other. So a rule carries the low bits of its address as well: a reader
//! takes it only where both agree.

use crate::arch::{Rule, CODE_SHIFT};
use crate::module::Module;
use crate::walk::End;
use crate::{cfi, go, python};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Entries; a power of two. 16 bytes each, and only those that are used are ever touched.
const ENTRIES: usize = 1 << 16;

/// Addresses have 48 bits at most; the generation lies above.
const GENERATION_SHIFT: u32 = 48;

struct Entry {
    /// Address | generation << 48; 0: empty.
    key: AtomicU64,
    rule: AtomicU64,
}

static RULES: [Entry; ENTRIES] = [const {
    Entry {
        key: AtomicU64::new(0),
        rule: AtomicU64::new(0),
    }
}; ENTRIES];

/// Counts unloaded modules, above [`GENERATION_SHIFT`]: what was learned before
/// the last one went is not believed any more.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Forgets all rules: call it after a module was unloaded (dlclose), since
/// another one may come to lie at its place. Any thread, at any time.
pub fn forget() {
    let before = GENERATION.fetch_add(1 << GENERATION_SHIFT, AcqRel);
    if before == u64::MAX << GENERATION_SHIFT {
        // Around once: entries of the first generation must not come back to life.
        for entry in &RULES {
            entry.key.store(0, Relaxed);
        }
        for module in &SEEN {
            module.store(0, Relaxed);
        }
    }
    python::forget();
}

/// How many calls of [`unload`] are going on.
static UNLOADING: AtomicU32 = AtomicU32::new(0);

/// Calls `close`, which may unload modules (dlclose), and forgets all rules. The
/// loader frees memory after it has unmapped a module, so walks happen meanwhile.
pub fn unload<R>(close: impl FnOnce() -> R) -> R {
    UNLOADING.fetch_add(1, AcqRel);
    let result = close();
    forget();
    UNLOADING.fetch_sub(1, AcqRel);
    result
}

/// Whether a module that was found may be gone already, unnoticed.
#[inline(always)]
pub(crate) fn is_unloading() -> bool {
    UNLOADING.load(Acquire) != 0
}

/// The generation that rules of this moment belong to.
#[inline(always)]
pub(crate) fn generation() -> u64 {
    GENERATION.load(Relaxed)
}

#[inline(always)]
fn slot(pc: u64) -> usize {
    (pc >> CODE_SHIFT) as usize % ENTRIES
}

/// The rule for a return address, if it is here and plain.
#[inline(always)]
pub(crate) fn cached_plain(pc: u64, generation: u64) -> Option<Rule> {
    let entry = &RULES[slot(pc)];
    let rule = Rule::from_bits(entry.rule.load(Relaxed));
    let is_it = entry.key.load(Relaxed) == pc | generation && rule.is_for(pc) && rule.is_plain();
    is_it.then_some(rule)
}

/// The rule for a return address.
pub(crate) fn rule(pc: u64, generation: u64) -> Result<Rule, End> {
    let entry = &RULES[slot(pc)];
    let rule = Rule::from_bits(entry.rule.load(Relaxed));
    if entry.key.load(Relaxed) == pc | generation && rule.is_for(pc) {
        return Ok(rule);
    }
    learn(pc, generation)
}

#[cold]
#[inline(never)]
fn learn(pc: u64, generation: u64) -> Result<Rule, End> {
    if pc >> GENERATION_SHIFT != 0 {
        return Err(End::UnknownCode);
    }
    let neighbour = &RULES[slot(pc) ^ 1];
    let known = Rule::from_bits(neighbour.rule.load(Relaxed));
    if neighbour.key.load(Relaxed) == pc | generation && known.is_for(pc) {
        return Ok(known);
    }
    let rule = match derive(pc, generation) {
        Ok(rule) => rule,
        Err(end) => match (Rule::without_cfi(pc, end), end) {
            (Some(rule), _) => rule,
            // These stay so until a module goes.
            (None, End::NoCfi | End::CorruptCfi) => Rule::failing(pc, end),
            _ => return Err(end),
        },
    };
    // Who stood there moves next door: two addresses that take one place from each
    // other, stack after stack, would be learned anew each time.
    let (entry, neighbour) = (&RULES[slot(pc)], &RULES[slot(pc) ^ 1]);
    keep(neighbour, entry.key.load(Relaxed), entry.rule.load(Relaxed));
    keep(entry, pc | generation, rule.bits());
    Ok(rule)
}

fn keep(entry: &Entry, key: u64, rule: u64) {
    entry.key.store(0, Relaxed);
    entry.rule.store(rule, Release);
    entry.key.store(key, Release);
}

fn derive(pc: u64, generation: u64) -> Result<Rule, End> {
    // A call may be the last instruction of its function: look up the call, not what follows.
    let call = pc.wrapping_sub(1);
    let module = Module::find(call).ok_or(End::UnknownCode)?;
    // Also where a runtime is known there: it may be that of a module which was unloaded.
    if !is_seen(&module, generation) {
        python::discover(&module);
        go::discover(&module);
        see(&module, generation);
    }
    if go::runtime_at(call).is_some() {
        return Ok(Rule::go(pc));
    }
    cfi::with_row(&module, call, |row| Rule::pack(row, pc))
}

/// Modules that were already looked into for a runtime of Go or CPython; one that
/// lost its place here is looked into again.
static SEEN: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

fn seen_slot(module: &Module) -> &'static AtomicU64 {
    &SEEN[(module.start >> 12 ^ module.start >> 22) as usize % SEEN.len()]
}

fn is_seen(module: &Module, generation: u64) -> bool {
    seen_slot(module).load(Acquire) == module.start | generation
}

fn see(module: &Module, generation: u64) {
    seen_slot(module).store(module.start | generation, Release);
}

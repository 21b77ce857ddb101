//! What a report needs: its own stack, walked from the callback, and those that
//! are kept for the memory and the thread that it is about.

use crate::blocks::Hidden;
use crate::evidence::{self, ReportStack, Role, Writer};
use crate::log::{self, Line};
use crate::{blocks, capture, hooks, notes, own_stack, runtime, thread, threads};
use core::ffi::{c_char, CStr};
use ffikit_unwind::{memory, End, Frame, Registers};

/// What a report is about.
struct Report<'a> {
    abs_addr: u64,
    pc: u64,
    kind: &'a [u8],
    /// The names that it has for the failing thread and its creators: `T1`.
    text: &'a [u8],
    /// The block that the address belongs to.
    block: Option<u64>,
}

/// The longest text of a report that is looked at.
const TEXT_BYTES: usize = 1 << 16;

/// The callback of __asan_set_error_report_callback, called with the text of the
/// report when the report is written, before the program is ended.
pub unsafe extern "C" fn reported(text: *const c_char) {
    let here = Registers::here();
    crate::guarded(|| {
        let text = if text.is_null() {
            &[]
        } else {
            // SAFETY: a C string, that ASan keeps for the call.
            let text = unsafe { CStr::from_ptr(text) }.to_bytes();
            text.get(..TEXT_BYTES).unwrap_or(text)
        };
        let abs_addr = match runtime::REPORT_ADDRESS.get() {
            // SAFETY: as the header declares it.
            Some(address) => unsafe { address() },
            None => 0,
        };
        let abs_addr = match abs_addr {
            0 => address_in(text).unwrap_or(0),
            known => known,
        };
        // SAFETY: as the header declares them; the description is a static string.
        let (pc, kind) = unsafe {
            let pc = runtime::REPORT_PC.get().map_or(0, |pc| pc());
            let kind = runtime::REPORT_DESCRIPTION.get().map(|kind| kind());
            (
                pc,
                kind.filter(|kind| !kind.is_null())
                    .map(|kind| CStr::from_ptr(kind).to_bytes()),
            )
        };
        let report = Report {
            abs_addr,
            pc,
            kind: kind.unwrap_or_default(),
            text,
            block: block_of(abs_addr),
        };
        // SAFETY: `here` is this function's frame.
        unsafe { record(&here, &report, true) };
    });
}

/// UBSan has a finding: its `__ubsan_on_report`, called before the finding is logged.
pub fn undefined(here: &Registers) {
    let mut text = [core::ptr::null(); 3];
    let (mut line, mut column, mut address) = (0, 0, core::ptr::null_mut());
    if let Some(data) = runtime::UNDEFINED_DATA.get() {
        let [kind, message, file] = &mut text;
        // SAFETY: all are ours to write.
        unsafe { data(kind, message, file, &mut line, &mut column, &mut address) };
    }
    let report = Report {
        abs_addr: address as u64,
        pc: 0,
        kind: b"undefined",
        text: &[],
        block: None,
    };
    // SAFETY: the caller's frame is alive.
    unsafe { record(here, &report, false) };
}

/// The first address that ASan's headline names where it has no interface for it:
/// `attempting double-free on 0x…`, `alloc-dealloc-mismatch (…) on 0x…`,
/// `SEGV on unknown address 0x…`, `… which was not malloc()-ed: 0x…`.
fn address_in(text: &[u8]) -> Option<u64> {
    let start = log::find(text, b"ERROR: AddressSanitizer: ")?;
    let headline = text.get(start..)?.split(|byte| *byte == b'\n').next()?;
    let at = [&b" on 0x"[..], b" address 0x", b"-ed: 0x"]
        .iter()
        .filter_map(|before| Some(log::find(headline, before)? + before.len()))
        .min()?;
    log::hexadecimal(headline.get(at..)?)
}

/// The block of the sanitizer's heap that an address belongs to, or is next to.
fn block_of(abs_addr: u64) -> Option<u64> {
    let locate = runtime::LOCATE_ADDRESS.get()?;
    let mut name = [0; 64];
    let (mut start, mut len_bytes) = (0, 0);
    // SAFETY: all are ours to write.
    let kind = unsafe {
        locate(
            abs_addr,
            name.as_mut_ptr(),
            name.len(),
            &mut start,
            &mut len_bytes,
        )
    };
    // SAFETY: a static string.
    let is_heap = !kind.is_null() && unsafe { CStr::from_ptr(kind) }.to_bytes() == b"heap";
    (is_heap && start != 0).then_some(start)
}

/// Records a report. `is_logged`: its headline is in the log already.
///
/// # Safety
/// `here` is a live frame of this thread.
unsafe fn record(here: &Registers, report: &Report, is_logged: bool) {
    // A damaged stack leads anywhere, also to what was unmapped since it was last read.
    memory::forget_pages();
    own_stack::run(|| {
        // SAFETY: the caller's promise.
        unsafe {
            capture::with(here, |frames, end| {
                evidence::with(|writer| write(writer, report, is_logged, frames, end));
            });
        }
    });
}

fn write(writer: &mut Writer, report: &Report, is_logged: bool, frames: &mut [Frame], end: End) {
    let sequence = sequence(writer, is_logged);
    let id = thread::id();
    let stack_of = |role, stack, abs_addr| ReportStack {
        sequence,
        role,
        thread: id,
        stack,
        abs_addr,
        pc: 0,
        kind: &[],
    };
    if let Some(stack) = writer.stack(frames, end) {
        writer.report_stack(&ReportStack {
            pc: report.pc,
            kind: report.kind,
            ..stack_of(Role::Fault, stack, report.abs_addr)
        });
    }
    if let Some(start) = report.block {
        let block = blocks::at(Hidden::new(start));
        for (role, stack) in [(Role::Free, block.freed), (Role::Allocation, block.allocated)] {
            if let Some(stack) = writer.kept_stack(stack) {
                writer.report_stack(&stack_of(role, stack, start));
            }
        }
    }
    let failing = failing_thread(report.text);
    let mut name = failing;
    threads::ancestry(|ancestor| {
        if let Some(stack) = writer.kept_stack(ancestor.stack) {
            writer.report_stack(&ReportStack {
                thread: ancestor.id,
                kind: name,
                ..stack_of(Role::Thread, stack, 0)
            });
        }
        name = creator_of(report.text, name);
    });
    // Who freed or allocated the block may be another thread, and may have ended.
    for (name, creator) in created_threads(report.text) {
        let number = |name: &[u8]| core::str::from_utf8(name.get(1..)?).ok()?.parse().ok();
        let is_written = is_ancestor(report.text, failing, name);
        let stack = number(name)
            .zip(number(creator))
            .and_then(|(name, creator)| threads::started_by(name, creator));
        if let Some(stack) = stack
            .filter(|_| !is_written)
            .and_then(|stack| writer.kept_stack(stack))
        {
            writer.report_stack(&ReportStack {
                kind: name,
                ..stack_of(Role::Thread, stack, 0)
            });
        }
    }
}

/// The threads of which a report says who created them, and who that was.
fn created_threads(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        const BEFORE: &[u8] = b" created by ";
        let name = thread_name(line.strip_prefix(b"Thread ")?, 0)?;
        Some((name, thread_name(line, log::find(line, BEFORE)? + BEFORE.len())?))
    })
}

/// Whether `name` is the thread `of`, or one of those that led to its start.
fn is_ancestor(text: &[u8], of: &[u8], name: &[u8]) -> bool {
    let mut at = of;
    for _ in 0..16 {
        if at == name {
            return true;
        }
        at = creator_of(text, at);
    }
    false
}

/// The number of the report that is recorded now, by the log: there may be reports
/// of which nobody has told us.
fn sequence(writer: &mut Writer, is_logged: bool) -> u32 {
    let process = writer.process();
    let mut sequence = writer.recorded;
    if writer.log.read(process, |_| {}) {
        let logged = writer.log.reports.saturating_sub(is_logged as u32);
        tell_unseen(sequence, logged);
        sequence = sequence.max(logged);
    }
    writer.recorded = sequence + 1;
    sequence
}

/// Reports of which nobody has told us are UBSan's, of a runtime that is linked into the program.
fn tell_unseen(recorded: u32, logged: u32) {
    if recorded < logged && runtime::is_in_program() {
        notes::note(notes::Note::UndefinedUnseen);
    }
}

/// The name that a report has for the thread that failed: `T0`, `T12`.
fn failing_thread(text: &[u8]) -> &[u8] {
    let start = log::find(text, b"ERROR: AddressSanitizer: ").unwrap_or(text.len());
    let headlines = text.get(start..).unwrap_or_default();
    let end = log::find(headlines, b"\n    #0").unwrap_or(headlines.len().min(1024));
    let headlines = headlines.get(..end).unwrap_or_default();
    [&b" thread T"[..], b" T"]
        .iter()
        .filter_map(|before| thread_name(headlines, log::find(headlines, before)? + before.len() - 1))
        .next()
        .unwrap_or_default()
}

/// `Thread T2 (name) created by T1 here:`
fn creator_of<'a>(text: &'a [u8], name: &[u8]) -> &'a [u8] {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let rest = line.strip_prefix(b"Thread ")?.strip_prefix(name)?;
            let is_it = !name.is_empty() && rest.first() == Some(&b' ');
            let created = log::find(rest, b" created by T")?;
            is_it.then(|| thread_name(rest, created + b" created by ".len()))?
        })
        .next()
        .unwrap_or_default()
}

/// `T` and digits at an offset.
fn thread_name(text: &[u8], at: usize) -> Option<&[u8]> {
    let name = text.get(at..)?;
    let digits = name
        .get(1..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (digits > 0 && name.first() == Some(&b'T')).then(|| name.get(..digits + 1))?
}

/// LeakSanitizer has logged the leaks that it found: records where each object was allocated.
pub fn leaks() {
    evidence::with(|writer| {
        let process = writer.process();
        let mut log = core::mem::replace(&mut writer.log, log::Reader::new());
        let mut begun = log.reports;
        log.read(process, |line| match line {
            Line::Report { .. } => begun += 1,
            Line::Leaked(abs_addr) => {
                let sequence = begun.saturating_sub(1);
                tell_unseen(writer.recorded, sequence);
                writer.recorded = writer.recorded.max(begun);
                leak(writer, sequence, *abs_addr);
            }
        });
        writer.log = log;
    });
}

fn leak(writer: &mut Writer, sequence: u32, abs_addr: u64) {
    if let Some(stack) = writer.kept_stack(blocks::at(Hidden::new(abs_addr)).allocated) {
        writer.report_stack(&ReportStack {
            sequence,
            role: Role::Leak,
            thread: 0,
            stack,
            abs_addr,
            pc: 0,
            kind: &[],
        });
    }
}

/// The callback of __sanitizer_set_death_callback: the sanitizer is about to end
/// the process. What it has logged and nobody told us of is recorded now.
pub unsafe extern "C" fn dying() {
    let here = Registers::here();
    crate::guarded(|| {
        leaks_and_unseen(&here);
        finish();
    });
}

fn leaks_and_unseen(here: &Registers) {
    let before = evidence::with(|writer| writer.recorded).unwrap_or(0);
    leaks();
    let unseen =
        evidence::with(|writer| writer.log.undefined && writer.log.reports > before).unwrap_or(false);
    if unseen {
        let report = Report {
            abs_addr: 0,
            pc: 0,
            kind: b"undefined",
            text: &[],
            block: None,
        };
        // SAFETY: the caller's frame is alive.
        unsafe {
            capture::with(here, |frames, end| {
                evidence::with(|writer| {
                    writer.recorded = writer.log.reports.saturating_sub(1);
                    write(writer, &report, true, frames, end);
                });
            });
        }
    }
}

/// The process ends in an orderly way: tells what was missed until now, and writes
/// the statistics, where there is a file at all.
pub fn finish() {
    leaks();
    let (mallocs, frees, lost) = hooks::counts();
    evidence::with(|writer| {
        if writer.recorded < writer.log.reports {
            tell_unseen(writer.recorded, writer.log.reports);
            writer.open();
        }
        writer.statistics(mallocs, frees, lost);
    });
}

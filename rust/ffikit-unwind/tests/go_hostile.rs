//! Corrupt tables and code of Go: no answer, or one that keeps to the module, in bounded time; never a
//! fault, a panic or a hang. Rounds are the same in every run; FFIKIT_FUZZ_ROUNDS asks for more of them.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use ffikit_unwind::go::GoRuntime;
use ffikit_unwind::module::Module;
use ffikit_unwind::pclntab::{Pclntab, NAME_BYTES};
use gosupport::image::Image;
use gosupport::*;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Far more than any search should take, also in a debug build on a busy machine.
const WATCHDOG: Duration = Duration::from_secs(60);

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn rounds(usual: u64) -> u64 {
    std::env::var("FFIKIT_FUZZ_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

fn image(release: &str) -> Image {
    require_release(release);
    let output = scratch(&format!("{release}-hostile")).join("gochain");
    Image::map(&build(release, &program("gochain"), &output, &["-ldflags=-s -w"]))
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// What corrupt files tend to hold.
    fn value(&mut self, before: u64) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => before.wrapping_add(1),
            3 => before.wrapping_sub(1),
            4 => 1 << self.below(64),
            5 => before ^ 1 << self.below(64),
            6 => before.wrapping_mul(2),
            _ => self.next(),
        }
    }
}

/// The ranges of an image that matter, found by a search of the test's own.
struct Targets {
    header: u64,
    moduledata: u64,
    functions: u64,
    functions_len: u64,
}

impl Targets {
    fn of(image: &mut Image) -> Targets {
        let start = image.module.start;
        let bytes = image.bytes(start, (image.module.end - start) as usize).to_vec();
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let all = || (0..bytes.len() - 328).step_by(8);
        for header in all().filter(|at| bytes[*at..*at + 8] == [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]) {
            let points_at = |at: &usize| {
                word(*at) == start + header as u64 && word(*at + 8) == word(*at) + word(header + 32)
            };
            if let Some(data) = all().find(points_at) {
                return Targets {
                    header: start + header as u64,
                    moduledata: start + data as u64,
                    functions: word(data + 104),
                    functions_len: word(data + 112),
                };
            }
        }
        panic!("no tables in this image");
    }

    /// A place to corrupt: often a small one, so that all of its fields have their turn.
    fn pick(&self, image: &Image, runtime: &GoRuntime, random: &mut Random) -> u64 {
        let code = runtime.tables.text_start;
        let len = runtime.tables.text_end - code;
        match random.below(8) {
            0 => self.header + random.below(72),
            1 | 2 => self.moduledata + random.below(328),
            3 => self.functions + random.below(8 * runtime.tables.functions_count as u64),
            4 => self.functions + random.below(self.functions_len),
            5 => image.module.start + random.below(64 + 56 * 12),
            6 => code + random.below(len),
            _ => self.header + random.below(self.functions + self.functions_len - self.header),
        }
    }
}

/// Makes some edits, has `work` done, and takes them back.
fn corrupted(image: &mut Image, places: &[(u64, [u8; 8])], work: impl FnOnce(&Image)) {
    let mut before = Vec::new();
    for (at, bytes) in places {
        let at = (*at).min(image.module.end - 8);
        let slice = image.bytes(at, 8);
        before.push((at, <[u8; 8]>::try_from(&slice[..]).unwrap()));
        slice.copy_from_slice(bytes);
    }
    work(image);
    for (at, bytes) in before.iter().rev() {
        image.bytes(*at, 8).copy_from_slice(bytes);
    }
}

/// Asks tables everything about some addresses, and holds what they say to what must be.
fn interrogate(tables: &Pclntab, random: &mut Random) -> usize {
    let mut told = 0;
    for _ in 0..16 {
        let len = tables.text_end - tables.text_start;
        let pc = tables
            .text_start
            .wrapping_add(random.below(len + 32))
            .wrapping_sub(16);
        if let Some(function) = tables.function_at(pc) {
            assert!(function.entry <= pc, "{function:x?}");
        }
        let mut calls = 0;
        tables.calls_at(pc, &mut |call| {
            calls += 1;
            assert!(call.function.len() <= NAME_BYTES && call.file.len() <= NAME_BYTES);
            assert!(!call.function.contains(&0) && !call.file.contains(&0));
        });
        assert!(calls <= 256);
        told += calls;
    }
    told
}

/// Asks a runtime for callers, with frames that lie anywhere.
fn interrogate_crossings(runtime: &GoRuntime, random: &mut Random) {
    let stack: Vec<u64> = (0..512).map(|_| random.value(0x7f00_0000_1000)).collect();
    for _ in 0..8 {
        let frame = match random.below(3) {
            0 => random.value(stack.as_ptr() as u64),
            _ => stack.as_ptr() as u64 + 8 * random.below(256),
        };
        runtime.leave_crosscall2(frame);
        runtime.leave_sigtramp(frame);
        let ret = runtime.text_start + random.below(runtime.text_end - runtime.text_start);
        if let Some(goroutine) = runtime.goroutine_frame(ret, frame) {
            let is_inside = goroutine.lo <= goroutine.fp && goroutine.fp < goroutine.hi;
            assert!(
                is_inside || (goroutine.lo, goroutine.hi) == (0, 0),
                "{goroutine:x?}"
            );
        }
    }
}

fn edits(image: &Image, targets: &Targets, runtime: &GoRuntime, random: &mut Random) -> Vec<(u64, [u8; 8])> {
    let count = 1 + random.below(8);
    let edit = |_| {
        let at = targets.pick(image, runtime, random);
        // Aligned words mostly: fields are.
        let at = if random.below(4) == 0 { at } else { at & !7 };
        (at, random.value(at).to_le_bytes())
    };
    (0..count).map(edit).collect()
}

#[test]
fn corrupt_before_they_are_found() {
    let _alone = alone();
    for release in [RELEASES[0], RELEASES[5]] {
        let mut image = image(release);
        let sound = GoRuntime::read(&image.module).expect("a sound runtime");
        let targets = Targets::of(&mut image);
        let (mut random, mut refused) = (Random(0x9e37_79b9_7f4a_7c15), 0);
        for round in 0..rounds(400) {
            let places = edits(&image, &targets, &sound, &mut random);
            let started = Instant::now();
            corrupted(&mut image, &places, |image| {
                match GoRuntime::read(&image.module) {
                    None => refused += 1,
                    Some(runtime) => {
                        let module = image.module.start..image.module.end;
                        assert!(module.contains(&runtime.text_start) && runtime.text_end <= module.end);
                        assert!(runtime.text_start < runtime.text_end);
                        interrogate(&runtime.tables, &mut random);
                        interrogate_crossings(&runtime, &mut random);
                    }
                }
            });
            assert!(
                started.elapsed() < WATCHDOG,
                "round {round} of {release}: {places:x?}"
            );
        }
        // Else the edits missed, or nothing was checked.
        assert!(refused > rounds(400) / 20, "{refused} refused");
        assert_eq!(
            format!("{:?}", GoRuntime::read(&image.module)),
            format!("{:?}", Some(sound))
        );
    }
}

#[test]
fn corrupt_after_they_were_found() {
    let _alone = alone();
    let mut image = image(RELEASES[5]);
    let sound = GoRuntime::read(&image.module).expect("a sound runtime");
    let targets = Targets::of(&mut image);
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut told = 0;
    for round in 0..rounds(4000) {
        let places = edits(&image, &targets, &sound, &mut random);
        let started = Instant::now();
        corrupted(&mut image, &places, |_| {
            told += interrogate(&sound.tables, &mut random)
        });
        assert!(started.elapsed() < WATCHDOG, "round {round}: {places:x?}");
    }
    assert!(told > 10_000, "{told}");
}

/// A module full of headers that look right, each of which has to be looked into.
#[test]
fn headers_without_end() {
    let _alone = alone();
    let mut image = image(RELEASES[5]);
    let targets = Targets::of(&mut image);
    let header = image.bytes(targets.header, 72).to_vec();
    // No moduledata points at the true one any more, and its copies fill the rest of the table.
    image.bytes(targets.moduledata, 8).fill(0);
    let room = targets.functions + targets.functions_len - targets.header;
    for at in (0..room - 72).step_by(72) {
        image.bytes(targets.header + at, 72).copy_from_slice(&header);
    }
    let started = Instant::now();
    assert!(GoRuntime::read(&image.module).is_none());
    assert!(started.elapsed() < WATCHDOG);
}

/// Tables whose pages are gone: what is left gives no answer, and does not fault.
#[test]
fn unmapped_after_they_were_found() {
    let _alone = alone();
    let image = image(RELEASES[5]);
    let sound = GoRuntime::read(&image.module).expect("a sound runtime");
    let module = image.module;
    drop(image);
    assert_eq!(interrogate(&sound.tables, &mut Random(7)), 0);
    assert!(GoRuntime::read(&module).is_none());
}

static MODULE: Mutex<Option<Module>> = Mutex::new(None);

extern "C" fn search_in_handler(_signal: libc::c_int) {
    let module = MODULE.lock().unwrap().unwrap();
    let runtime = GoRuntime::read(&module).expect("a sound runtime");
    let mut calls = 0;
    runtime.calls_at(runtime.text_start, &mut |_| calls += 1);
    assert!(calls > 0);
}

/// Go's signal handlers have 32 KiB, of which the kernel and the handlers themselves take their part.
#[test]
fn the_search_fits_a_signal_handlers_stack() {
    const STACK_BYTES: usize = 256 << 10;
    const PAINT: u8 = 0xa5;
    let _alone = alone();
    let image = image(RELEASES[5]);
    *MODULE.lock().unwrap() = Some(image.module);
    let mut stack = vec![PAINT; STACK_BYTES];
    // SAFETY: the stack and the handler live until the signal was handled, on this thread.
    unsafe {
        let mut alternate: libc::stack_t = std::mem::zeroed();
        alternate.ss_sp = stack.as_mut_ptr().cast();
        alternate.ss_size = STACK_BYTES;
        let mut before: libc::stack_t = std::mem::zeroed();
        assert_eq!(libc::sigaltstack(&alternate, &mut before), 0);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = search_in_handler as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()), 0);
        assert_eq!(libc::raise(libc::SIGUSR2), 0);
        assert_eq!(libc::sigaltstack(&before, std::ptr::null_mut()), 0);
    }
    let used = STACK_BYTES - stack.iter().take_while(|byte| **byte == PAINT).count();
    eprintln!("used {used}");
    assert!(used > 2048, "the handler ran elsewhere");
    assert!(used < 16 << 10, "{used} bytes");
}

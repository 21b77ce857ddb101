//! What a stack costs, measured where it is: a program calls `ffikit_unwind_bench`
//! at the depth it wants to know about, and each walker walks that very stack in
//! turns. One line of JSON for each is printed on standard output.

mod peers;

use ffikit_unwind::{module, walk, Frame, Registers, StackBounds};
use std::ffi::{c_char, CStr};
use std::time::Instant;

/// Walks a round has, and rounds; the walkers take turns round by round.
const WALKS: u32 = 20_000;
const ROUNDS: usize = 9;
const FRAMES_MAX: usize = 512;

/// A walker: gives the number of frames that it found.
type Walker<'a> = (&'static str, Box<dyn FnMut() -> usize + 'a>);

/// Measures all walkers on the caller's stack.
///
/// # Safety
/// `label` is a C string.
#[no_mangle]
#[inline(never)]
pub unsafe extern "C" fn ffikit_unwind_bench(label: *const c_char) {
    // SAFETY: the caller's promise.
    let label = unsafe { CStr::from_ptr(label) }.to_string_lossy().into_owned();
    assert!(module::prepare(), "needs glibc 2.35");
    let bounds = StackBounds::of_this_thread();
    let mut frames = [Frame::default(); FRAMES_MAX];
    let mut framehop = peers::Framehop::new();
    let libunwind = peers::Libunwind::load();
    let from = Registers::here();
    let (mut pointers, mut hops) = ([0; FRAMES_MAX], [0; FRAMES_MAX]);
    let (mut found, mut unwound) = ((0, [0; FRAMES_MAX]), [std::ptr::null_mut(); FRAMES_MAX]);
    let ours = || {
        // SAFETY: this function's own registers; it stays until all is measured.
        unsafe { walk(&from, bounds, &mut frames) }.len
    };
    let mut walkers: Vec<Walker<'_>> = vec![
        ("ffikit-unwind", Box::new(ours)),
        (
            "frame pointers only",
            Box::new(|| peers::frame_pointers(from.fp, bounds, &mut pointers)),
        ),
        ("framehop 0.16", Box::new(|| framehop.walk(&from, &mut hops))),
        ("libgcc", Box::new(|| peers::libgcc(&mut found))),
    ];
    if let Some(libunwind) = &libunwind {
        walkers.push(("libunwind", Box::new(|| libunwind.walk(&mut unwound))));
    }
    let mut rounds = vec![Vec::with_capacity(ROUNDS); walkers.len()];
    let mut depths = vec![0; walkers.len()];
    for _ in 0..ROUNDS {
        for (index, (name, walker)) in walkers.iter_mut().enumerate() {
            let walks = if *name == "libgcc" { WALKS / 20 } else { WALKS };
            let start = Instant::now();
            for _ in 0..walks {
                depths[index] = std::hint::black_box(walker());
            }
            rounds[index].push(start.elapsed().as_nanos() as f64 / f64::from(walks));
        }
    }
    for (index, (name, _)) in walkers.iter().enumerate() {
        rounds[index].sort_by(f64::total_cmp);
        let median = rounds[index][ROUNDS / 2];
        println!(
            "{{\"label\":\"{label}\",\"walker\":\"{name}\",\"ns\":{median:.1},\"frames\":{}}}",
            depths[index]
        );
    }
}

//! Runtimes that are known to the whole process: found by many threads at once, given up when another
//! module lies at their place.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use ffikit_unwind::go::{discover, runtime_at, GoRuntime};
use ffikit_unwind::module::{prepare, Module};
use gosupport::image::Image;
use gosupport::*;
use std::path::PathBuf;
use std::sync::{Barrier, Mutex, MutexGuard};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn built(release: &str) -> PathBuf {
    require_release(release);
    let output = scratch(&format!("{release}-registry")).join("gochain");
    build(release, &program("gochain"), &output, &[])
}

/// A program that is not Go's, at the place where Go's lie.
fn without_go() -> PathBuf {
    let directory = scratch("registry-c");
    let source = directory.join("empty.c");
    std::fs::write(
        &source,
        "int main(void) { return 0; }\nchar filler[1 << 20] = {1};\n",
    )
    .unwrap();
    compile(&source, &directory.join("empty"), &["-no-pie"])
}

fn same(one: &'static GoRuntime, other: &'static GoRuntime) -> bool {
    std::ptr::eq(one, other)
}

#[test]
fn all_threads_find_one_runtime() {
    let _alone = alone();
    let binary = built(RELEASES[4]);
    let image = Image::map(&binary);
    let module = image.module;
    let barrier = Barrier::new(8);
    let found: Vec<&'static GoRuntime> = std::thread::scope(|scope| {
        let find = || {
            barrier.wait();
            let mut found = discover(&module).expect("a Go runtime");
            for _ in 0..50 {
                assert!(same(found, runtime_at(found.text_start).expect("it is known")));
                found = discover(&module).expect("it stays known");
            }
            found
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(find)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|runtime| same(runtime, found[0])));
    let text = found[0].text_start..found[0].text_end;
    assert!(runtime_at(text.end - 1).is_some_and(|runtime| same(runtime, found[0])));
    for outside in [0, text.end, u64::MAX, text.start - 1] {
        assert!(runtime_at(outside).is_none(), "{outside:#x}");
    }
}

#[test]
fn a_module_at_the_place_of_another() {
    let _alone = alone();
    let (old, new, without) = (built(RELEASES[0]), built(RELEASES[5]), without_go());
    let image = Image::map(&old);
    let first = discover(&image.module).unwrap();
    let pc = first.text_end - 16;
    drop(image);

    let image = Image::map(&new);
    let second = discover(&image.module).unwrap();
    assert!(!same(first, second));
    assert!(runtime_at(pc).is_some_and(|runtime| same(runtime, second)));
    // What walks may still be reading is not written over.
    assert_ne!(first.text_end, second.text_end);
    let again = discover(&image.module).unwrap();
    assert!(same(again, second));
    drop(image);

    let image = Image::map(&without);
    assert!(
        image.module.start < pc && pc < image.module.end,
        "it lies elsewhere"
    );
    assert!(discover(&image.module).is_none());
    assert!(runtime_at(pc).is_none());
    assert!(discover(&image.module).is_none());
    drop(image);

    let image = Image::map(&new);
    assert!(discover(&image.module).is_some_and(|runtime| runtime.text_end == second.text_end));
    assert!(runtime_at(pc).is_some());
}

/// Far more often than there is room for.
#[test]
fn modules_that_come_and_go() {
    let _alone = alone();
    let (old, new) = (built(RELEASES[1]), built(RELEASES[2]));
    for _ in 0..40 {
        for binary in [&old, &new] {
            let image = Image::map(binary);
            let runtime = discover(&image.module).expect("there is room");
            let expected = GoRuntime::read(&image.module).unwrap();
            assert_eq!(format!("{runtime:?}"), format!("{expected:?}"));
            assert!(same(runtime_at(runtime.text_start).unwrap(), runtime));
        }
    }
}

#[test]
fn modules_without_go() {
    assert!(prepare());
    for address in [
        modules_without_go as *const () as u64,
        libc::malloc as *const () as u64,
    ] {
        let module = Module::find(address).unwrap();
        assert!(discover(&module).is_none());
        assert!(discover(&module).is_none());
        assert!(runtime_at(address).is_none());
    }
}

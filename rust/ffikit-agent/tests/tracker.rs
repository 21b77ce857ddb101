//! The tracker: what it counts is what the program itself has counted.

mod support;

use std::process::Command;
use support::heap::{track, Heap, Tracked};
use support::Build;

const HEAP: u32 = 1;
const MAPPING: u32 = 2;

fn build(source: &str) -> std::path::PathBuf {
    Build {
        source,
        compiler: "gcc",
        flags: &[],
    }
    .build()
}

fn assert_counts_are_exact(tracked: &Tracked, program: &std::path::Path) {
    assert!(tracked.status.success(), "{}", tracked.status);
    let heap = tracked.first();
    let of_program = heap.by(program, HEAP);
    let counted = [
        of_program.allocations,
        of_program.frees,
        of_program.allocated_bytes,
        of_program.freed_bytes,
    ];
    let own: Vec<u64> = tracked
        .stdout
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    assert_eq!(counted, own[..], "allocations, frees, bytes of both");
    assert_eq!(heap.lost, [0; 3]);
    const ENDED: u32 = 3;
    assert_eq!(heap.state, ENDED);
}

#[test]
fn every_function_is_counted_exactly_in_one_thread_and_in_many() {
    let program = build("tracker.c");
    for (threads, rounds) in [("1", "50000"), ("8", "20000")] {
        let tracked = track(Command::new(&program).args([threads, rounds]), &[]);
        assert_counts_are_exact(&tracked, &program);
        let heap = tracked.first();
        for count in &heap.counts {
            assert!(count.live().1 <= count.peak_bytes || threads != "1" || count.class != HEAP);
        }
        assert_eq!(heap.arguments[1..], [threads, rounds]);
        assert_eq!(std::path::Path::new(&heap.program), program);
    }
}

/// Those that Debian's packages install, behind the agent; and as a library that the program itself names.
#[test]
fn other_allocators_are_tracked_as_well() {
    let program = build("tracker.c");
    for (allocator, without) in [
        // It has no pvalloc: glibc's would be called, and its block given back to jemalloc.
        ("libjemalloc.so.2", Some("without-pvalloc")),
        ("libtcmalloc_minimal.so.4", None),
        ("libmimalloc.so.2", None),
    ] {
        for threads in ["1", "8"] {
            let mut command = Command::new(&program);
            let tracked = track(command.args([threads, "20000"]).args(without), &[allocator]);
            assert_counts_are_exact(&tracked, &program);
        }
        let linked = Build {
            source: "tracker.c",
            compiler: "gcc",
            flags: &["-Wl,--no-as-needed", &format!("-l:{allocator}")],
        }
        .build();
        let tracked = track(Command::new(&linked).args(["4", "20000"]).args(without), &[]);
        assert_counts_are_exact(&tracked, &linked);
    }
}

#[test]
fn children_have_files_of_their_own() {
    let program = build("children.c");
    let tracked = track(Command::new(&program).arg("again"), &[]);
    // The program, each time: itself, two forks of it, and what the vfork ran.
    assert_eq!(tracked.heaps.len(), 8, "{:?}", tracked.heaps.keys());
    for number in [0, 1] {
        let heap = &tracked.heaps[&(tracked.pid, number)];
        let own = heap.by(&program, HEAP);
        assert_eq!(
            (own.allocations, own.frees, own.allocated_bytes, own.freed_bytes),
            (100, 10, 100_000, 10_000)
        );
        let mapped = heap.by(&program, MAPPING);
        // One fell in two, and one was moved.
        assert_eq!((mapped.allocations, mapped.frees), (4, 1));
        assert_eq!(mapped.live().1, (9 + 8) * 4096);
    }
    let mut sizes: Vec<_> = tracked
        .heaps
        .iter()
        .filter(|((pid, _), _)| *pid != tracked.pid)
        .map(|(_, heap)| {
            assert_eq!(heap.parent, tracked.pid);
            let own = heap.by(&program, HEAP);
            assert_eq!(own.frees, 0, "of blocks that were the parent's");
            own.allocations
        })
        .collect();
    sizes.sort();
    assert_eq!(sizes, [0, 0, 7, 7, 9, 9]);
}

#[test]
fn a_program_with_its_own_malloc_is_refused_with_the_reason() {
    let program = build("own_malloc.c");
    let tracked = track(&mut Command::new(&program), &[]);
    assert!(tracked.status.success());
    let heap = tracked.first();
    const REFUSED: u32 = 4;
    assert_eq!(heap.state, REFUSED);
    assert_eq!(
        heap.notes,
        ["the program brings its own malloc, which cannot be tracked"]
    );
    assert!(heap.counts.is_empty());
}

#[test]
fn counting_is_started_and_stopped_while_it_runs() {
    let program = build("phases.c");
    let tracked = track(Command::new(&program).env("FFIKIT_HUNT_START", "off"), &[]);
    assert!(tracked.status.success(), "{}", tracked.status);
    let heap = tracked.first();
    let own = heap.by(&program, HEAP);
    assert_eq!((own.allocations, own.frees), (4020, 1));
    let of_first = heap
        .counts
        .iter()
        .find(|count| count.allocations == 20)
        .expect("the first phase");
    let line = support::line_of("phases.c", "MAKE");
    assert_eq!(heap.leaf(of_first), ("make".to_owned(), line));
    assert!(tracked.stdout.trim().ends_with(&format!(".{}.0", tracked.pid)));
}

#[test]
fn an_unloaded_library_is_named_and_so_is_the_one_in_its_place() {
    let program = build("phases.c");
    let libraries = ["0x11111111", "0x22222222"].map(|build_id| {
        Build {
            source: "plugin.c",
            compiler: "gcc",
            flags: &["-shared", "-fPIC", &format!("-Wl,--build-id={build_id}")],
        }
        .build()
    });
    let tracked = track(Command::new(&program).args(&libraries), &[]);
    assert!(tracked.status.success(), "{}", tracked.status);
    let heap = tracked.first();
    for library in &libraries {
        assert_eq!(heap.by(library, HEAP).allocations, 1, "{}", library.display());
    }
}

#[test]
fn sampled_sums_are_right_on_average() {
    let program = build("tracker.c");
    let tracked = track(
        Command::new(&program)
            .args(["1", "400000"])
            .env("FFIKIT_HUNT_SAMPLE", "64K"),
        &[],
    );
    assert!(tracked.status.success(), "{}", tracked.status);
    assert_eq!(tracked.first().sample_bytes, 64 << 10);
    let sampled = tracked.first().by(&program, HEAP);
    let own: Vec<u64> = tracked
        .stdout
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    // 9 GB in samples of 64 KiB: the standard error is less than a hundredth of a percent per thousand samples.
    let is_near = |sampled: u64, own: u64, tolerance: f64| {
        let ratio = sampled as f64 / own as f64;
        assert!((ratio - 1.0).abs() < tolerance, "{ratio}");
    };
    is_near(sampled.allocated_bytes, own[2], 0.02);
    is_near(sampled.freed_bytes, own[3], 0.02);
    is_near(sampled.allocations, own[0], 0.1);
    is_near(sampled.frees, own[1], 0.1);
}

#[test]
fn a_full_disk_ends_the_trace_and_not_the_program() {
    let program = build("tracker.c");
    let folder =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("full-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // What is written there is gone with the mount, so it is copied out.
    let script = "mount -t tmpfs -o size=$1 none \"$2\" || exit 77; FFIKIT_HUNT=$2/heap LD_PRELOAD=$3 \"$4\" 2 20000 && \
                  cp --sparse=always \"$2\"/heap.* \"$5\"";
    let (out, agent) = (folder.with_extension("copied"), support::agent());
    // No room for the header, for the first parts, and for all but some of the stacks.
    for (size, has_file) in [("4k", false), ("68k", false), ("276k", true)] {
        let _ = std::fs::remove_file(&out);
        let done = Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh", size])
            .args([&folder, &agent, &program, &out])
            .output()
            .unwrap();
        if done.status.code() == Some(77) {
            eprintln!("NOT TESTED: no right to mount a file system");
            return;
        }
        assert_eq!(done.stdout.split(|b| *b == b' ').count(), 4, "{size}: {done:?}");
        if has_file {
            let heap = Heap::read(&out);
            let own: Vec<u64> = String::from_utf8_lossy(&done.stdout)
                .split_whitespace()
                .map(|n| n.parse().unwrap())
                .collect();
            // Stacks may be missing, their sums are not.
            let sum: u64 = heap
                .counts
                .iter()
                .filter(|c| c.class == HEAP)
                .map(|c| c.allocations)
                .sum();
            assert!(sum >= own[0], "{sum} of {own:?}");
        }
    }
}

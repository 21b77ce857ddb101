//! The tracker: what it counts is what the program itself has counted.

mod support;

use std::process::Command;
use support::heap::{track, Tracked};
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
        assert_eq!((mapped.allocations, mapped.frees), (3, 1));
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

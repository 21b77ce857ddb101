//! The tracker amid everything that may happen at once. A few runs; `make torture-agent` makes a thousand.

mod support;

use std::process::Command;
use support::heap::track;
use support::Build;

#[test]
fn nothing_hangs_and_what_is_live_is_exact() {
    let library = |source| {
        Build {
            source,
            compiler: "gcc",
            flags: &["-shared", "-fPIC"],
        }
        .build()
    };
    let program = Build {
        source: "tracker_torture.c",
        compiler: "gcc",
        flags: &[],
    }
    .build();
    let (plugin, allocator) = (library("plugin.c"), library("reentrant.c"));
    for seed in 1..=5 {
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", "60"])
            .arg(&program)
            .arg(&plugin)
            .args(["20000".to_owned(), seed.to_string()]);
        let tracked = track(&mut command, &[allocator.to_str().unwrap()]);
        assert!(tracked.status.success(), "seed {seed}: {}", tracked.status);
        let said: Vec<u64> = tracked
            .stdout
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        let [allocations, frees, allocated_bytes, freed_bytes, ticks] = said[..] else {
            panic!("{:?}", tracked.stdout);
        };
        // timeout's child: the one that allocated most.
        let heaps = tracked.heaps.values();
        let own = heaps.map(|heap| (heap.by(&program, 1), heap));
        let (own, heap) = own.max_by_key(|(own, _)| own.allocations).unwrap();
        assert_eq!(
            own.live(),
            (allocations - frees, allocated_bytes - freed_bytes),
            "seed {seed}"
        );
        // A signal that comes while the allocator works is taken for its own business.
        let missed = allocations - own.allocations;
        assert!(missed <= ticks, "{missed} of {allocations}, {ticks} signals");
        let mapped = heap.by(&program, 2);
        assert_eq!(mapped.live(), (0, 0));
        assert_eq!(heap.lost, [0; 3]);
    }
}

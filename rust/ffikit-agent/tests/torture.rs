//! Threads, signals, forks, libraries that come and go, faults: all at once. A few
//! runs; `make torture-agent` makes a thousand.

mod support;

use support::{Build, Role, Run, SHARED};

#[test]
fn nothing_hangs_and_nothing_is_lost() {
    let recovering = [SHARED, &["-fsanitize-recover=address"]].concat();
    let program = Build {
        source: "torture.c",
        compiler: "clang-19",
        flags: &recovering,
    }
    .build();
    let library = [SHARED, &["-shared", "-fPIC"]].concat();
    let library = Build {
        source: "plugin.c",
        compiler: "clang-19",
        flags: &library,
    }
    .build();
    for seed in 1..=3 {
        let ended = Run::new(&program)
            .arg(&library)
            .arg("2000")
            .arg(seed.to_string())
            .options("halt_on_error=0:suppress_equal_pcs=0:detect_leaks=0")
            .run();
        ended.assert_success();
        assert_eq!(ended.stdout, "survived\n", "{}", ended.stderr);
        let evidence = ended.evidence();
        assert!(!evidence.is_torn);
        for role in [Role::Fault, Role::Free, Role::Allocation] {
            let found = evidence.reports.iter().filter(|report| report.role == role);
            let stacks: Vec<_> = found.map(|report| report.stack).collect();
            assert_eq!(stacks.len(), 50, "{role:?}");
            for stack in [stacks[0], stacks[49]] {
                assert_eq!(evidence.chain(stack, "torture.c")[0].0, "faulty");
            }
        }
        let [mallocs, frees, _, lost] = evidence
            .statistics
            .expect("the statistics of a process that ended");
        assert!(mallocs > 8 * 2000 && frees > 8 * 2000, "{mallocs} {frees}");
        assert_eq!(lost, 0);
    }
}

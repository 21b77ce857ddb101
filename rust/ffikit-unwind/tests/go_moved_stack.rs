//! A goroutine's stack that moves while C code lies above it, on every release of Go, with the
//! former stack made unreadable (GODEBUG=efence=1).
#![cfg(target_arch = "x86_64")]

mod gosupport;

use gosupport::*;

#[test]
fn frames_above_a_moved_stack() {
    let source = program("gomove");
    let markers = Markers::of(&source);
    probe();
    RELEASES.iter().for_each(|release| require_release(release));
    in_parallel(RELEASES.to_vec(), |release| {
        let binary = build(
            release,
            &source,
            &scratch(&format!("{release}-move")).join("gomove"),
            &[],
        );
        let output = run::<&str>(&binary, &[], &[("GODEBUG", "efence=1")]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{text}", output.status);
        // Else nothing was tried: following what C saved would do.
        assert!(text.contains("saved frame pointer unreadable"), "{text}");

        let stacks = parse(&text);
        let outside = ["c_after", "c_enter", "c_outer", "main.start", "main.main.func1"];
        let mut inside = vec!["c_leaf", "c_inner"];
        inside.extend(["main.grow"; 41]);
        inside.push("main.goGrow");
        inside.extend(outside);
        let after: Vec<_> = ["c_leaf"].into_iter().chain(outside).collect();
        for (label, expected) in [("inside", inside), ("after", after)] {
            let stack = stacks
                .get(label)
                .unwrap_or_else(|| panic!("no stack {label}:\n{text}"));
            assert_eq!(stack.of_sources(), expected, "{label}");
            assert_eq!(stack.names().last(), Some(&"runtime.goexit"));
            assert_eq!(stack.end, "Complete");
            markers.check(stack);
        }
    });
}

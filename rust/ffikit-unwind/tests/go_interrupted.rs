//! Go code that signals interrupt at any instruction: in a prologue, in a function without a frame, in an
//! epilogue. No frame is missing and none is there twice.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use gosupport::*;
use std::collections::BTreeSet;

#[test]
fn go_code_interrupted_anywhere() {
    probe();
    RELEASES.iter().for_each(|release| require_release(release));
    in_parallel(vec![RELEASES[0], RELEASES[5]], |release| {
        let output = scratch(&format!("{release}-interrupt")).join("gointerrupt");
        let binary = build(release, &program("gointerrupt"), &output, &[]);
        // Go's own preemption is a signal as well.
        let stacks = stacks::<&str>(&binary, &[], &[("GODEBUG", "asyncpreemptoff=1"), ("GOGC", "off")]);
        assert_eq!(stacks.len(), 400);
        let inner: [&[&str]; 7] = [
            &["main.leaf", "main.small", "main.large"],
            &["main.small", "main.large"],
            &["main.leaf", "main.large"],
            &["main.large"],
            &["main.leaf", "main.small"],
            &["main.small"],
            &[],
        ];
        let mut seen = BTreeSet::<&[&str]>::new();
        let mut elsewhere = 0;
        for (label, stack) in &stacks {
            let names = stack.of_sources();
            assert_eq!(stack.end, "Complete", "{label}: {names:?}");
            let outside = ["main.spin", "main.outer", "main.main"];
            // The thread may be in the scheduler, which has left the goroutine's stack.
            let is_elsewhere = stack.names().last() == Some(&"runtime.morestack");
            elsewhere += usize::from(is_elsewhere);
            let found = inner.iter().find(|inner| {
                let expected: Vec<&str> = [&["c_handler"][..], inner, &outside].concat();
                names == expected
            });
            assert!(
                found.is_some() || is_elsewhere,
                "{label}: {names:?}\n{:#?}",
                stack.names()
            );
            seen.extend(found);
        }
        assert!(elsewhere < 100, "{elsewhere}");
        assert!(seen.len() >= 4, "only in {seen:?}");
    });
}

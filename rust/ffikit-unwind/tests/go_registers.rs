//! The registers of the C code that called Go, all of them: frames that can only be left with the
//! right value of one register each. Every release of Go.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use gosupport::*;

#[test]
fn every_callee_saved_register_comes_back() {
    let source = program("goregisters");
    probe();
    RELEASES.iter().for_each(|release| require_release(release));
    in_parallel(RELEASES.to_vec(), |release| {
        let output = scratch(&format!("{release}-registers")).join("goregisters");
        let stacks = stacks::<&str>(&build(release, &source, &output, &[]), &[], &[]);
        let stack = &stacks["registers"];
        let mut expected = vec!["c_leaf", "c_frame"];
        for frame in ["c_rbx", "c_r12", "c_r13", "c_r14", "c_r15"] {
            expected.extend(["main.goNext", frame, "c_frame"]);
        }
        expected.push("main.main");
        assert_eq!(stack.of_sources(), expected, "{:#?}", stack.names());
        assert_eq!(stack.names().last(), Some(&"runtime.goexit"));
        assert_eq!(stack.end, "Complete");
        Markers::of(&source).check(stack);
    });
}

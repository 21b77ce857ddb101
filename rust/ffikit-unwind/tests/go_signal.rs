//! A fault in C under Go, told to the handler that was there before Go's: the stack goes from that handler
//! through Go's, over the kernel's frame, to the fault and on to the root. Every release of Go.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use gosupport::*;
use std::ffi::OsStr;

fn check(stack: Option<&Stack>, callers: &[&str], root: &str, markers: &Markers) {
    let stack = stack.expect("the handler was called");
    let expected: Vec<&str> = ["c_handler", "c_fault", "main.reach"]
        .iter()
        .chain(callers)
        .copied()
        .collect();
    let names = stack.names();
    assert_eq!(stack.of_sources(), expected, "{names:#?}");
    assert_eq!(names.last(), Some(&root), "{names:#?}");
    assert_eq!(stack.end, "Complete");
    // Go's handler stands between the two, and nothing of it is missing.
    let place = |name| {
        names
            .iter()
            .position(|other| *other == name)
            .unwrap_or_else(|| panic!("{name}: {names:#?}"))
    };
    let through_go = [
        "c_handler",
        "runtime.sigfwd",
        "runtime.sigfwdgo",
        "runtime.sigtrampgo",
        "runtime.sigtramp",
        "c_fault",
    ];
    assert!(through_go.map(place).is_sorted(), "{names:#?}");
    assert!(stack.calls[place("c_fault")].is_exact);
    markers.check(stack);
}

#[test]
fn a_fault_that_go_hands_on() {
    let source = program("gosignal");
    let markers = Markers::of(&source);
    probe();
    RELEASES.iter().for_each(|release| require_release(release));
    let caller = compile(
        &program("gochain-caller/caller.c"),
        &scratch("signal-caller").join("caller"),
        &["-ldl"],
    );
    in_parallel(RELEASES.to_vec(), |release| {
        let directory = scratch(&format!("{release}-signal"));
        let binary = build(release, &source, &directory.join("gosignal"), &[]);
        let stacks = stacks::<&str>(&binary, &[], &[]);
        check(
            stacks.get("forwarded"),
            &["main.main.func1"],
            "runtime.goexit",
            &markers,
        );

        let library = build(
            release,
            &source,
            &directory.join("libgosignal.so"),
            &["-buildmode=c-shared"],
        );
        let arguments = [
            OsStr::new("gosignalFromC"),
            OsStr::new("gosignalGoroutine"),
            library.as_os_str(),
        ];
        let stacks = gosupport::stacks(&caller, &arguments, &[]);
        let callers = ["main.gosignalFromC", "caller", "main"];
        check(stacks.get("forwarded"), &callers, "_start", &markers);
    });
}

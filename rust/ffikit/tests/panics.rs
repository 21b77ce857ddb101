//! Rust panics as reports.

use ffikit::panics::{self, PanicReport};
use serde_json::Value;
use std::panic::{catch_unwind, panic_any};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard};

/// The hook is one for the whole process: its tests take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The reports of all panics of `body`.
fn reports_of(body: impl FnOnce()) -> Vec<PanicReport> {
    let (sender, reports) = channel();
    panics::install(move |report| sender.send(report.clone()).unwrap()).unwrap();
    body();
    panics::remove();
    reports.into_iter().collect()
}

fn marked(marker: &str) -> u32 {
    let marker = format!("// line: {marker}");
    let lines = include_str!("panics.rs").lines();
    1 + lines
        .map(str::trim_end)
        .position(|line| line.ends_with(&marker))
        .unwrap() as u32
}

fn blamed(json: &Value) -> (&str, u32) {
    let report = &json["reports"][0];
    let index = report["blame"]["frame"].as_u64().unwrap() as usize;
    let frame = &report["stacks"][0]["frames"][index];
    (
        frame["file"].as_str().unwrap(),
        frame["line"].as_u64().unwrap() as u32,
    )
}

#[inline(never)]
fn explodes(fuse: u32) -> u32 {
    if fuse > 2 {
        panic!("fuse of {fuse}"); // line: explicit
    }
    fuse + 1
}

#[inline(never)]
fn out_of_bounds(values: &[u8], index: usize) -> u8 {
    values[index] // line: bounds
}

#[inline(never)]
fn unwraps(value: Option<u8>) -> u8 {
    value.expect("something") // line: expect
}

#[test]
fn the_place_and_the_stack_of_a_panic() {
    let _turn = turn();
    let reports = reports_of(|| {
        let _ = catch_unwind(|| explodes(7)); // line: caller
    });
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    assert_eq!(report.message, "fuse of 7");
    assert_eq!(report.location.as_ref().unwrap().line, marked("explicit"));
    assert_eq!(
        report.thread.as_deref(),
        Some("the_place_and_the_stack_of_a_panic")
    );

    let users: Vec<(&str, u32)> = report
        .frames
        .iter()
        .filter(|frame| {
            frame
                .frame
                .file
                .as_ref()
                .is_some_and(|file| file.ends_with("tests/panics.rs"))
        })
        .map(|frame| {
            (
                frame.frame.function.as_deref().unwrap(),
                frame.frame.line.unwrap(),
            )
        })
        .collect();
    assert!(users[0].0.ends_with("explodes"), "{users:?}");
    assert_eq!(users[0].1, marked("explicit"));
    assert!(
        users.iter().any(|(_, line)| *line == marked("caller")),
        "{users:?}"
    );
    assert!(report.partial.is_empty(), "{:?}", report.partial);

    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["schema"], "ffikit.report/1");
    let found = &json["reports"][0];
    assert_eq!(
        (&found["tool"], &found["kind"]),
        (&"Rust".into(), &"panic".into())
    );
    assert_eq!(found["message"], "fuse of 7");
    assert_eq!(found["pid"], std::process::id());
    let (file, line) = blamed(&json);
    assert!(file.ends_with("tests/panics.rs"), "{file}");
    assert_eq!(line, marked("explicit"));

    let text = report.to_text();
    assert!(text.starts_with("Rust: panic: fuse of 7\n"), "{text}");
    assert!(
        text.contains(&format!("tests/panics.rs:{}", marked("explicit"))),
        "{text}"
    );
    assert!(!text.contains("rust_begin_unwind"), "{text}");
}

#[test]
fn a_panic_inside_std_blames_the_caller() {
    let _turn = turn();
    let reports = reports_of(|| {
        let _ = catch_unwind(|| out_of_bounds(&[1, 2], 9));
        let _ = catch_unwind(|| unwraps(None));
    });
    let lines: Vec<u32> = reports
        .iter()
        .map(|report| blamed(&serde_json::from_str(&report.to_json()).unwrap()).1)
        .collect();
    assert_eq!(lines, [marked("bounds"), marked("expect")]);
    assert!(reports[0].message.contains("index out of bounds"));
    assert_eq!(reports[1].message, "something");
}

#[test]
fn hostile_messages_and_payloads() {
    let _turn = turn();
    let reports = reports_of(|| {
        let _ = catch_unwind(|| panic!("\x1b[31m\u{202e}\0 \" \\ \n<script>"));
        let _ = catch_unwind(|| panic_any(5_u8));
        let _ = catch_unwind(|| panic!("{}", "x".repeat(1 << 20)));
    });
    assert_eq!(reports.len(), 3);
    let text = reports[0].to_text();
    assert!(!text.contains(['\x1b', '\0', '\u{202e}']), "{text:?}");
    let json: Value = serde_json::from_str(&reports[0].to_json()).unwrap();
    assert_eq!(
        json["reports"][0]["message"],
        "\x1b[31m\u{202e}\0 \" \\ \n<script>"
    );
    assert_eq!(reports[1].message, "a panic with a payload that is no text");
    assert_eq!(reports[2].message.len(), 1 << 20);
}

#[test]
fn threads_panic_at_once() {
    let _turn = turn();
    let reports = reports_of(|| {
        let threads: Vec<_> = (0..8)
            .map(|index| {
                std::thread::Builder::new()
                    .name(format!("t{index}"))
                    .spawn(|| explodes(9))
                    .unwrap()
            })
            .collect();
        for thread in threads {
            thread.join().unwrap_err();
        }
    });
    let mut names: Vec<_> = reports
        .iter()
        .map(|report| report.thread.clone().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"]);
    assert!(reports
        .iter()
        .all(|report| report.location.as_ref().unwrap().line == marked("explicit")));
}

#[test]
fn the_programs_own_hook_still_runs_and_remove_removes() {
    let _turn = turn();
    static SEEN: Mutex<u32> = Mutex::new(0);
    // Ours may be below or above; either way both must run.
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        *SEEN.lock().unwrap() += 1;
        before(info);
    }));
    let reports = reports_of(|| {
        let _ = catch_unwind(|| explodes(3));
    });
    assert_eq!(reports.len(), 1);
    assert_eq!(*SEEN.lock().unwrap(), 1);
    let _ = catch_unwind(|| explodes(4));
    assert_eq!(*SEEN.lock().unwrap(), 2);
}

#[inline(never)]
fn recurse(depth: u32) -> u32 {
    if depth == 0 {
        explodes(5)
    } else {
        std::hint::black_box(recurse(depth - 1)) + 1
    }
}

#[test]
fn a_deep_stack_is_cut_and_says_so() {
    let _turn = turn();
    let reports = reports_of(|| {
        let _ = catch_unwind(|| recurse(2000));
    });
    assert!(reports[0].truncated.is_some());
    assert!(reports[0].frames.len() >= 200);
}

//! Logs through the whole path: parse, count, render.

use ffikit::{Error, Report, ReportOptions};

const LOG: &[u8] = b"\
the program's own output
==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55d0c0de1000 bp 0x7ffd0 sp 0x7ffc8
READ of size 4 at 0x602000000010 thread T0
    #0 0x55d0c0de0fff in consume /build/app/consumer.c:41:9
    #1 0x55d0c0de2000 in main /build/app/main.c:12:3

0x602000000010 is located 0 bytes inside of 16-byte region [0x602000000010,0x602000000020)
freed by thread T0 here:
    #0 0x55d0c0de3000 in free (/build/app/program+0x3000)
    #1 0x55d0c0de3100 in release /build/app/producer.c:20:5

previously allocated by thread T0 here:
    #0 0x55d0c0de4000 in malloc (/build/app/program+0x4000)
    #1 0x55d0c0de4100 in acquire /build/app/producer.c:11:10

SUMMARY: AddressSanitizer: heap-use-after-free /build/app/consumer.c:41:9 in consume
==7==ABORTING
";

fn options() -> ReportOptions {
    ReportOptions::new()
        .log_name("asan.7")
        .path_map("/build/app", "/src/app")
        .source_root("/src/app")
}

#[test]
fn one_report_with_its_stacks_and_blame() {
    let report = Report::parse(LOG, &options()).unwrap();
    assert_eq!(report.count().unwrap(), 1);
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    assert_eq!(json["schema"], "ffikit.report/1");
    let found = &json["reports"][0];
    assert_eq!(found["tool"], "AddressSanitizer");
    assert_eq!(found["kind"], "heap-use-after-free");
    let roles: Vec<_> = found["stacks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stack| &stack["role"])
        .collect();
    assert_eq!(roles, ["fault", "free", "allocation"]);
    assert_eq!(found["blame"]["stack"], 0);
    let blamed = &found["stacks"][0]["frames"][found["blame"]["frame"].as_u64().unwrap() as usize];
    assert_eq!(blamed["file"], "/src/app/consumer.c");
    assert_eq!(blamed["line"], 41);
    assert_eq!(found["source"]["file"], "asan.7");
}

#[test]
fn text_is_plain_and_colour_is_asked_for() {
    let report = Report::parse(LOG, &options()).unwrap();
    let text = report.to_text().unwrap();
    for part in [
        "heap-use-after-free",
        "/src/app/consumer.c:41",
        "release",
        "acquire",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(!text.contains('\x1b'));
    assert!(report.to_color().unwrap().contains("\x1b["));
}

#[test]
fn logs_without_reports() {
    for log in [&b""[..], b"fine\n", b"\xff\xfe\x00\x01", &[0; 4096]] {
        let report = Report::parse(log, &ReportOptions::new()).unwrap();
        assert_eq!(report.count().unwrap(), 0, "{log:?}");
        let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
        assert_eq!(json["reports"].as_array().map(Vec::len), Some(0));
    }
}

#[test]
fn a_log_cut_anywhere_gives_no_panic() {
    for length in (0..LOG.len()).step_by(7) {
        let report = Report::parse(&LOG[..length], &options()).unwrap();
        assert!(report.count().unwrap() <= 1, "cut to {length} bytes");
    }
}

#[test]
fn bad_options_are_refused() {
    for (from, to) in [("", "/x"), ("/a=b", "/x"), ("/a\n", "/x"), ("/a", "/x\n/y=/z")] {
        let refused = Report::parse(b"", &ReportOptions::new().path_map(from, to)).unwrap_err();
        assert!(matches!(refused, Error::Argument(_)), "{refused:?}");
    }
}

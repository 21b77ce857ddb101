//! What only a libffikit built for tests can show (`--features testing` and
//! FFIKIT_LIB_DIR on such a build; scripts/test-rust does both).

use ffikit::testing::{counter_inc, goroutines, panic, runtime_id};
use ffikit::{Error, Report, ReportOptions, Symbolizer};

#[test]
fn a_panic_in_go_is_an_error() {
    let symbolizer = Symbolizer::new().unwrap();
    for _ in 0..100 {
        let error = panic("the deliberate one").unwrap_err();
        assert!(matches!(error, Error::Panic(_)), "{error:?}");
        assert!(error.message().contains("the deliberate one"), "{error}");
    }
    // An empty message makes it a nil pointer: a signal inside Go.
    let error = panic("").unwrap_err();
    assert!(
        matches!(&error, Error::Panic(message) if message.contains("nil pointer")),
        "{error:?}"
    );
    // The library stays usable, old handles and new ones.
    let program = std::env::current_exe().unwrap();
    assert_eq!(symbolizer.resolve(&program, &[0]).unwrap(), [vec![]]);
    assert_eq!(
        Report::parse(b"", &ReportOptions::new())
            .unwrap()
            .count()
            .unwrap(),
        0
    );
    assert_eq!(goroutines(100).unwrap(), 5050);
}

#[test]
fn panics_on_many_threads() {
    std::thread::scope(|scope| {
        for index in 0..8 {
            scope.spawn(move || {
                for round in 0..50 {
                    let said = format!("thread {index} round {round}");
                    let error = panic(&said).unwrap_err();
                    assert!(
                        matches!(&error, Error::Panic(message) if message.contains(&said)),
                        "{error:?}"
                    );
                }
            });
        }
    });
}

#[test]
fn one_runtime_and_one_counter() {
    assert_eq!(runtime_id().unwrap(), runtime_id().unwrap());
    let before = counter_inc().unwrap();
    assert!(counter_inc().unwrap() > before);
}

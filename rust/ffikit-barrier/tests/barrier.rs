//! Panics of every kind stop at the barrier.

use ffikit_barrier::{catch, guard, guard_or, Caught, OnPanic, CATCHES_PANICS};
use std::panic::panic_any;

#[test]
fn values_pass_unchanged() {
    assert_eq!(catch(|| "value"), Ok("value"));
    assert_eq!(guard_or(-1, || 5), 5);
    assert_eq!(guard(|| Some(3)), Some(3));
    const { assert!(CATCHES_PANICS) };
}

#[test]
fn message_of_each_kind_of_payload() {
    let literal = catch(|| panic!("literal")).unwrap_err();
    assert_eq!(literal.message(), "literal");
    let formatted = catch(|| panic!("number {}", 42)).unwrap_err();
    assert_eq!(formatted.to_string(), "number 42");
    let empty: &[u8] = &[];
    let bounds = catch(|| empty[std::hint::black_box(3)]).unwrap_err();
    assert!(bounds.message().contains("index out of bounds"), "{bounds}");
    let other = catch(|| panic_any(17_u8)).unwrap_err();
    assert_eq!(other.message(), "a panic with a payload that is no text");
}

/// Panics when it is dropped, with another of its kind as the payload while
/// there are any left.
struct Bomb {
    left: usize,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.left > 0 {
            panic_any(Bomb { left: self.left - 1 });
        }
    }
}

#[test]
fn payload_whose_destructor_panics() {
    for left in [1, 3, 1000, usize::MAX] {
        let caught = catch(|| panic_any(Bomb { left })).unwrap_err();
        assert_eq!(caught.message(), "a panic with a payload that is no text");
    }
}

/// Runs a barrier of its own while another panic unwinds.
struct CatchesInDrop<'a>(&'a mut Option<Caught>);

impl Drop for CatchesInDrop<'_> {
    fn drop(&mut self) {
        *self.0 = catch(|| panic!("inner")).err();
    }
}

#[test]
fn nested_panics() {
    let mut inner = None;
    let outer = catch(|| {
        let _guard = CatchesInDrop(&mut inner);
        panic!("outer")
    });
    assert_eq!(outer.unwrap_err().message(), "outer");
    assert_eq!(inner.unwrap().message(), "inner");

    let rethrown = catch(|| {
        let first = catch(|| panic!("first")).unwrap_err();
        panic!("after {first}")
    });
    assert_eq!(rethrown.unwrap_err().message(), "after first");
}

#[derive(Debug, PartialEq)]
struct Status(i32, String);

impl OnPanic for Status {
    fn on_panic(caught: &Caught) -> Self {
        Status(-8, caught.message().to_owned())
    }
}

#[derive(Debug, PartialEq)]
struct Failure(String);

impl From<Caught> for Failure {
    fn from(caught: Caught) -> Self {
        Failure(caught.to_string())
    }
}

#[test]
fn each_return_type_has_its_value_for_a_panic() {
    assert_eq!(guard(|| -> Status { panic!("bug") }), Status(-8, "bug".into()));
    assert!(guard(|| -> *const u8 { panic!("bug") }).is_null());
    assert!(guard(|| -> *mut u8 { panic!("bug") }).is_null());
    assert_eq!(guard(|| -> Option<u8> { panic!("bug") }), None);
    let failed = guard(|| -> Result<u8, Failure> { panic!("bug") });
    assert_eq!(failed, Err(Failure("bug".into())));
    let mut ran = false;
    guard::<()>(|| {
        ran = true;
        panic!("bug")
    });
    assert!(ran);
    assert_eq!(guard_or(f64::INFINITY, || panic!("bug")), f64::INFINITY);
}

/// The barrier where it belongs: between a C caller and Rust.
extern "C" fn exported(fail: bool) -> i32 {
    guard_or(-1, || {
        assert!(!fail, "asked to");
        0
    })
}

#[test]
fn the_library_stays_usable() {
    for _ in 0..1000 {
        assert_eq!(exported(true), -1);
        assert_eq!(exported(false), 0);
    }
    let threads: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(|| (exported(true), exported(false))))
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), (-1, 0));
    }
}

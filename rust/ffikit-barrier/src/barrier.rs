//! The panic barrier.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::process;

/// Whether this build can stop a panic: false where the profile says
/// `panic = "abort"`, then every panic ends the process.
pub const CATCHES_PANICS: bool = cfg!(panic = "unwind");

/// How many panics of a payload's own destructor are followed before what is
/// left is leaked: a payload may panic with a payload that panics, for ever.
const MAX_PAYLOAD_DROPS: usize = 8;

/// A panic that was stopped at the barrier.
#[derive(Clone, PartialEq, Eq)]
pub struct Caught {
    message: Cow<'static, str>,
}

impl Caught {
    /// What the panic said: the text of `panic!`, or, for a payload that is
    /// no text, a sentence that says so.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Takes the message out and destroys the payload here, behind the
    /// barrier: its destructor may panic as well.
    fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast::<&'static str>() {
            Ok(text) => Cow::Borrowed(*text),
            Err(payload) => match payload.downcast::<String>() {
                Ok(text) => Cow::Owned(*text),
                Err(payload) => {
                    destroy(payload);
                    Cow::Borrowed("a panic with a payload that is no text")
                }
            },
        };
        Caught { message }
    }
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caught").field("message", &self.message).finish()
    }
}

impl std::error::Error for Caught {}

/// Drops a payload whose destructor may panic with another such payload.
fn destroy(payload: Box<dyn Any + Send>) {
    let mut payload = payload;
    for _ in 0..MAX_PAYLOAD_DROPS {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    // A leak is better than a panic that leaves the barrier.
    std::mem::forget(payload);
}

/// Runs `body` and gives its value, or the panic that it ended in.
///
/// The closure need not be [`UnwindSafe`](std::panic::UnwindSafe): an
/// `extern "C"` function has raw pointers, and those never are. What `body`
/// was changing when it panicked may be half changed; a library that goes on
/// after a panic must either be able to live with that or refuse to.
///
/// ```
/// let caught = ffikit_barrier::catch(|| -> i32 { panic!("{} is too many", 3) });
/// assert_eq!(caught.unwrap_err().message(), "3 is too many");
/// assert_eq!(ffikit_barrier::catch(|| 7), Ok(7));
/// ```
pub fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Caught> {
    catch_unwind(AssertUnwindSafe(body)).map_err(Caught::new)
}

/// Runs `body` and gives its value, or `fallback` where it panicked.
///
/// `fallback` must itself be harmless to drop; numbers and pointers are.
///
/// ```
/// extern "C" fn mylib_parse(digit: u32) -> i64 {
///     ffikit_barrier::guard_or(-1, || i64::from(char::from_digit(digit, 10).unwrap() as u32))
/// }
/// assert_eq!(mylib_parse(7), i64::from(b'7'));
/// assert_eq!(mylib_parse(70), -1);
/// ```
pub fn guard_or<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch(body).unwrap_or(fallback)
}

/// Runs `body` and gives its value, or what its type says that a panic is
/// (see [`OnPanic`]).
///
/// Where [`OnPanic::on_panic`] panics too, the process ends: there is nothing
/// left to hand to C.
pub fn guard<T: OnPanic>(body: impl FnOnce() -> T) -> T {
    match catch(body) {
        Ok(value) => value,
        Err(caught) => match catch(|| T::on_panic(&caught)) {
            Ok(value) => value,
            Err(_) => process::abort(),
        },
    }
}

/// The value of an `extern "C"` return type that says "this function
/// panicked". Implement it for your own status type.
///
/// It exists for what has one obvious such value: `()`, and pointers (null).
/// For numbers there is none: a library either has a status type of its own,
/// or says the number with [`guard_or`].
pub trait OnPanic {
    /// The value for a panic with this message. It should not panic.
    fn on_panic(caught: &Caught) -> Self;
}

impl OnPanic for () {
    fn on_panic(_: &Caught) -> Self {}
}

impl<T> OnPanic for *const T {
    fn on_panic(_: &Caught) -> Self {
        std::ptr::null()
    }
}

impl<T> OnPanic for *mut T {
    fn on_panic(_: &Caught) -> Self {
        std::ptr::null_mut()
    }
}

impl<T> OnPanic for Option<T> {
    fn on_panic(_: &Caught) -> Self {
        None
    }
}

impl<T, E: From<Caught>> OnPanic for Result<T, E> {
    fn on_panic(caught: &Caught) -> Self {
        Err(E::from(caught.clone()))
    }
}

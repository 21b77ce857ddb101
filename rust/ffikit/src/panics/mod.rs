//! Rust panics as reports, in the form that sanitizer reports have.
//!
//! ```
//! use ffikit::panics;
//! use std::sync::mpsc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (sender, reports) = mpsc::channel();
//! panics::install(move |report| {
//!     let _ = sender.send(report.to_json());
//! })?;
//!
//! let _ = std::panic::catch_unwind(|| panic!("the cup is empty"));
//!
//! let json = reports.recv()?;
//! assert!(json.contains("\"schema\":\"ffikit.report/1\""));
//! assert!(json.contains("the cup is empty"));
//! panics::remove();
//! # Ok(())
//! # }
//! ```
//!
//! Rust's standard library is part of each program and of each cdylib: a
//! hook sees the panics of the program or library that this crate is linked
//! into, and no others.

mod modules;
mod show;
mod unwind;

use crate::{Error, Frame, Symbolizer};
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::{Arc, Once, RwLock};

/// How many physical frames are kept of one stack.
const MAX_FRAMES: usize = 256;

/// A panic, where it happened, and the stack that led there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PanicReport {
    /// What the panic said.
    pub message: String,
    /// The name of the thread, where it has one.
    pub thread: Option<String>,
    /// The place of the panic in the source, as the compiler noted it.
    pub location: Option<Location>,
    /// The stack, leaf first, inlined calls included. It starts with the
    /// frames of Rust's panic machinery, which are marked as runtime.
    pub frames: Vec<PanicFrame>,
    /// Why the stack ends before its root, if it does.
    pub truncated: Option<String>,
    /// What could not be found out, and why.
    pub partial: Vec<Partial>,
}

/// A place in a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file, as the compiler was given it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A frame of a running program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PanicFrame {
    /// The frame; its address lies within the call.
    pub frame: Frame,
    /// The address in the process; it also lies within the call.
    pub abs_addr: u64,
    /// The loaded file that the address lies in.
    pub module: Option<PathBuf>,
    /// The GNU build ID of that file, in lower-case hexadecimal.
    pub build_id: Option<String>,
}

/// Something that could not be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// The file that it is about.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

struct Installed {
    handler: Box<dyn Fn(&PanicReport) + Send + Sync>,
    symbolizer: Symbolizer,
}

/// Who gets the reports; None before install and after remove.
static INSTALLED: RwLock<Option<Arc<Installed>>> = RwLock::new(None);

/// Hands each panic from now on to `handler`, in place of a handler that was
/// installed before. The panic hook that the program had still runs, first.
///
/// `handler` runs on the thread that panics, before it unwinds. A panic of
/// its own ends the process, as Rust does with each panic inside a hook.
/// In a forked child the report has the stack's addresses but no names.
///
/// # Errors
/// [`Error::Forked`], [`Error::Panic`], [`Error::Abi`].
pub fn install(handler: impl Fn(&PanicReport) + Send + Sync + 'static) -> Result<(), Error> {
    let installed = Arc::new(Installed {
        handler: Box::new(handler),
        symbolizer: Symbolizer::new()?,
    });
    *INSTALLED.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(installed);
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            before(info);
            report(info);
        }));
    });
    Ok(())
}

/// Hands no more panics over.
pub fn remove() {
    *INSTALLED.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
}

/// The hook. A panic in here would end the process: nothing indexes,
/// unwraps, or waits for a lock (its holder may be gone, after a fork).
fn report(info: &PanicHookInfo<'_>) {
    let Some(installed) = INSTALLED.try_read().ok().and_then(|slot| slot.clone()) else {
        return;
    };
    let stack = unwind::return_addresses(MAX_FRAMES);
    let located = modules::locate(&stack.abs_addrs);
    let (frames, partial) = named(&installed.symbolizer, &located);
    let mut report = PanicReport {
        message: message_of(info),
        thread: std::thread::current().name().map(str::to_owned),
        location: info.location().map(|place| Location {
            file: place.file().to_owned(),
            line: place.line(),
            column: place.column(),
        }),
        frames,
        truncated: stack.complete.then_some(()).map_or_else(
            || Some(format!("only the first {MAX_FRAMES} frames were taken")),
            |()| None,
        ),
        partial,
    };
    mark_panic_machinery(&mut report.frames);
    (installed.handler)(&report);
}

fn message_of(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic with a payload that is no text".to_owned()
    }
}

/// Symbolizes each module's addresses in one go, and puts the frames back
/// into the order of the stack.
fn named(symbolizer: &Symbolizer, located: &[modules::Located]) -> (Vec<PanicFrame>, Vec<Partial>) {
    let mut of_address: Vec<Vec<PanicFrame>> =
        located.iter().map(|address| vec![address.unnamed()]).collect();
    let mut partial = Vec::new();
    for module in modules::distinct(located) {
        let wanted: Vec<(usize, u64)> = located
            .iter()
            .enumerate()
            .filter(|(_, address)| address.module.as_ref() == Some(&module))
            .map(|(index, address)| (index, address.virt_addr))
            .collect();
        let virt_addrs: Vec<u64> = wanted.iter().map(|(_, virt_addr)| *virt_addr).collect();
        let resolved = match &module.changed {
            Some(reason) => Err(reason.clone()),
            None => symbolizer
                .resolve(&module.path, &virt_addrs)
                .map_err(|error| error.to_string()),
        };
        match resolved {
            Ok(resolved) => {
                for ((index, _), frames) in wanted.iter().zip(resolved) {
                    if let (false, Some(place)) = (frames.is_empty(), of_address.get_mut(*index)) {
                        let of_module = place.first().cloned().unwrap_or_default();
                        *place = frames
                            .into_iter()
                            .map(|frame| PanicFrame {
                                frame,
                                ..of_module.clone()
                            })
                            .collect();
                    }
                }
            }
            Err(reason) => partial.push(Partial {
                file: module.path.clone(),
                reason,
            }),
        }
    }
    (of_address.into_iter().flatten().collect(), partial)
}

/// Marks the frames between the leaf and the code that panicked: this hook
/// and Rust's own panic machinery.
fn mark_panic_machinery(frames: &mut [PanicFrame]) {
    let is_machinery = |frame: &PanicFrame| {
        frame.frame.function.as_deref().is_some_and(|name| {
            // Since 2025 the compiler mangles rust_begin_unwind below __rustc.
            name.ends_with("rust_begin_unwind")
                || [
                    "core::panicking::",
                    "std::panicking::",
                    "core::option::",
                    "core::result::",
                ]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        })
    };
    // Behind the last of them from the leaf on: between them stand closures
    // and shims of other names, after them stands the user's code.
    let Some(first) = frames.iter().position(is_machinery) else {
        return;
    };
    let length = first
        + frames
            .iter()
            .skip(first)
            .take_while(|frame| is_machinery(frame) || is_glue(frame))
            .count();
    for frame in frames.iter_mut().take(length) {
        frame.frame.runtime = true;
    }
}

/// What stands between two frames of the panic machinery.
fn is_glue(frame: &PanicFrame) -> bool {
    frame.frame.runtime
        || frame.frame.function.as_deref().is_some_and(|name| {
            name.starts_with("std::sys::backtrace::") || name.starts_with("<alloc::boxed::Box<")
        })
}

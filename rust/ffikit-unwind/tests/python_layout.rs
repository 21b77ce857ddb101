//! Where each CPython of this machine keeps things, against its own headers:
//! layout.c prints offsetof() of all that is read.

mod pythonsupport;

use ffikit_unwind::python::layout;
use pythonsupport::{manifest_path, printed, probe, pythons, run, succeed, Python};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// As layout.c names it, and as the crate does.
const FIELDS: [(&str, &str); 22] = [
    ("runtime.interpreters_head", "interpreters_head"),
    ("interpreter.next", "interpreter_next"),
    ("interpreter.threads_head", "threads_head"),
    ("thread.next", "thread_next"),
    ("thread.interpreter", "thread_interpreter"),
    ("thread.thread_id", "thread_id"),
    ("thread.native_thread_id", "native_thread_id"),
    ("thread.current", "thread_current"),
    ("cframe.current_frame", "cframe_current_frame"),
    ("cframe.previous", "cframe_previous"),
    ("frame.code", "frame_code"),
    ("frame.previous", "frame_previous"),
    ("frame.instruction", "frame_instruction"),
    ("frame.owner", "frame_owner"),
    ("frame.is_entry", "frame_is_entry"),
    ("code.first_line", "code_first_line"),
    ("code.file", "code_file"),
    ("code.qualname", "code_qualname"),
    ("code.line_table", "code_line_table"),
    ("code.first_traceable", "code_first_traceable"),
    ("code.instructions", "code_instructions"),
    ("code.version", "code_version"),
];

const TEXTS: [(&str, &str); 2] = [("text.ascii_data", "text_ascii_data"), ("text.data", "text_data")];

const CONSTANTS: [(&str, u64); 12] = [
    ("object.references", layout::OBJECT_REFERENCES),
    ("object.type", layout::OBJECT_TYPE),
    ("object.size", layout::OBJECT_SIZE),
    ("type.name", layout::TYPE_NAME),
    ("type.basic_size", layout::TYPE_BASIC_SIZE),
    ("bytes.data", layout::BYTES_DATA),
    ("text.length", layout::TEXT_LENGTH),
    ("text.state", layout::TEXT_STATE),
    ("text.state_kind", layout::TEXT_STATE_KIND as u64),
    ("text.state_compact", layout::TEXT_STATE_COMPACT as u64),
    ("text.state_ascii", layout::TEXT_STATE_ASCII as u64),
    ("owner.generator", layout::OWNED_BY_GENERATOR as u64),
];

/// What the headers say, compiled.
fn headers(python: &Python) -> BTreeMap<String, u64> {
    let asked =
        "import sysconfig; print(sysconfig.get_path('include')); print(sysconfig.get_path('platinclude'))";
    let folders = printed(&mut run(python, &[Path::new("-c"), Path::new(asked)]));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("layout-{}", python.version));
    let mut compiler = Command::new("gcc");
    for folder in folders.lines() {
        compiler.arg("-I").arg(folder);
    }
    succeed(
        compiler
            .arg(manifest_path("tests/programs/python/layout.c"))
            .arg("-o")
            .arg(&program),
    );
    printed(&mut Command::new(program))
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// What the crate found out inside of the interpreter.
fn found(python: &Python) -> BTreeMap<String, String> {
    let asked = "import ctypes, sys; probe = ctypes.PyDLL(sys.argv[1]); \
        text = ctypes.create_string_buffer(1 << 16); probe.layout_here(text, len(text)); print(text.value.decode())";
    printed(&mut run(python, &[Path::new("-c"), Path::new(asked), probe()]))
        .lines()
        .filter_map(|line| line.trim().trim_end_matches(',').split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn layouts_are_those_of_the_headers() {
    for python in pythons() {
        let (headers, found) = (headers(&python), found(&python));
        let version = &python.version;
        assert_eq!(found["version_hex"], headers["version"].to_string(), "{version}");
        for (theirs, ours) in FIELDS.iter().chain(&TEXTS) {
            // What a version does not have is 0 with us, and never read.
            let expected = headers.get(*theirs).copied().unwrap_or(0);
            assert_eq!(found[*ours], expected.to_string(), "{version}: {theirs}");
        }
        for (theirs, ours) in CONSTANTS {
            assert_eq!(ours, headers[theirs], "{version}: {theirs}");
        }
        // 3.11 has no such frames.
        let owned_by_stack = headers.get("owner.stack").copied();
        assert_eq!(
            owned_by_stack.unwrap_or(layout::OWNED_BY_STACK as u64),
            layout::OWNED_BY_STACK as u64
        );
    }
}

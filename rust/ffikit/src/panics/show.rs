//! A panic for programs (schema ffikit.report/1) and for people.

use super::{PanicFrame, PanicReport};
use serde_json::{json, Map, Value};
use std::fmt::Write;
use std::path::Path;

impl PanicReport {
    /// The panic as a document of the schema `ffikit.report/1`, with one
    /// report: tool `Rust`, kind `panic`.
    pub fn to_json(&self) -> String {
        let mut stack = json!({
            "role": "fault",
            "frames": self.frames.iter().map(frame).collect::<Vec<_>>(),
        });
        if let Some(thread) = &self.thread {
            stack["name"] = json!(format!("thread '{thread}' panicked"));
        }
        if let Some(reason) = &self.truncated {
            stack["truncated"] = json!(reason);
        }
        let mut report = json!({
            "tool": "Rust",
            "kind": "panic",
            "message": self.message,
            "pid": std::process::id(),
            "stacks": [stack],
            "count": 1,
            "source": {"offset_bytes": 0},
        });
        if let Some(place) = &self.location {
            report["details"] = json!([format!(
                "panicked at {}:{}:{}",
                place.file, place.line, place.column
            )]);
        }
        if let Some((index, reason)) = self.blame() {
            report["blame"] = json!({"stack": 0, "frame": index, "role": "fault", "reason": reason});
        }
        let partial: Vec<Value> = self
            .partial
            .iter()
            .map(|partial| json!({"file": text(&partial.file), "reason": partial.reason}))
            .collect();
        json!({"schema": "ffikit.report/1", "reports": [report], "partial": partial}).to_string()
    }

    /// The panic for people: message, place, and the stack without Rust's own
    /// machinery. Control characters are escaped.
    pub fn to_text(&self) -> String {
        let mut out = format!("Rust: panic: {}\n", printable(&self.message));
        // Writing to a String cannot fail.
        if let Some(place) = &self.location {
            let _ = writeln!(
                out,
                "  at {}:{}:{}",
                printable(&place.file),
                place.line,
                place.column
            );
        }
        if let Some(thread) = &self.thread {
            let _ = writeln!(out, "  in thread '{}'", printable(thread));
        }
        let blamed = self.blame().map(|(index, _)| index);
        for (index, frame) in self.frames.iter().enumerate() {
            if frame.frame.runtime {
                continue;
            }
            let mark = if blamed == Some(index) { "=>" } else { "  " };
            let _ = writeln!(out, " {mark} #{index} {}", line_of(frame));
        }
        let hidden = self.frames.iter().filter(|frame| frame.frame.runtime).count();
        if hidden > 0 {
            let _ = writeln!(out, "     ({hidden} frames of the runtime not shown)");
        }
        if let Some(reason) = &self.truncated {
            let _ = writeln!(out, "     (stack ends here: {reason})");
        }
        for partial in &self.partial {
            let _ = writeln!(
                out,
                "  not read: {}: {}",
                printable(&text(&partial.file)),
                printable(&partial.reason)
            );
        }
        out
    }

    /// The frame to look at first, and why: the compiler noted the place of
    /// the panic, and where that is in a library (an index out of bounds in
    /// std), the first frame that is no machinery of Rust is the caller.
    fn blame(&self) -> Option<(usize, &'static str)> {
        let at_place = self.location.as_ref().and_then(|place| {
            self.frames.iter().position(|frame| {
                let frame = &frame.frame;
                !frame.runtime
                    && frame.line == Some(place.line)
                    && frame
                        .file
                        .as_ref()
                        .is_some_and(|file| file.ends_with(Path::new(&place.file)))
            })
        });
        if let Some(index) = at_place {
            return Some((index, "the place of the panic, as the compiler noted it"));
        }
        let is_user = |frame: &PanicFrame| {
            !frame.frame.runtime
                && frame
                    .frame
                    .file
                    .as_ref()
                    .is_some_and(|file| !file.starts_with("/rustc/"))
        };
        let index = self.frames.iter().position(is_user)?;
        Some((index, "the first frame that is not Rust's own machinery"))
    }
}

/// What is not known is left out.
fn frame(frame: &PanicFrame) -> Value {
    let (module, build_id, frame, abs_addr) = (&frame.module, &frame.build_id, &frame.frame, frame.abs_addr);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put("function", frame.function.as_ref().map(|name| json!(name)));
    put(
        "linkage_name",
        frame.linkage_name.as_ref().map(|name| json!(name)),
    );
    put("language", frame.language.as_ref().map(|name| json!(name)));
    put("file", frame.file.as_ref().map(|file| json!(text(file))));
    put("line", frame.line.map(|line| json!(line)));
    put("column", frame.column.map(|column| json!(column)));
    put("module", module.as_ref().map(|module| json!(text(module))));
    put("build_id", build_id.as_ref().map(|id| json!(id)));
    if module.is_some() {
        put("virt_addr", Some(json!(format!("{:#x}", frame.virt_addr))));
    } else {
        put("abs_addr", Some(json!(format!("{abs_addr:#x}"))));
    }
    put("inlined", frame.inlined.then_some(json!(true)));
    put("runtime", frame.runtime.then_some(json!(true)));
    Value::Object(fields)
}

fn line_of(frame: &PanicFrame) -> String {
    let mut line = match &frame.frame.function {
        Some(name) => printable(name),
        None => format!("{:#x}", frame.abs_addr),
    };
    match (&frame.frame.file, frame.frame.line) {
        (Some(file), Some(number)) => {
            let _ = write!(line, "  {}:{number}", printable(&text(file)));
        }
        _ => {
            if let Some(module) = &frame.module {
                let _ = write!(
                    line,
                    "  ({}+{:#x})",
                    printable(&text(module)),
                    frame.frame.virt_addr
                );
            }
        }
    }
    line
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A terminal must not obey what a message says.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control()
                || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let (plain, escape) = if escaped && character != '\n' {
                (None, Some(character.escape_default()))
            } else {
                (Some(character), None)
            };
            plain.into_iter().chain(escape.into_iter().flatten())
        })
        .collect()
}

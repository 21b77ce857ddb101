//! The sanitizer's own log: it tells which number a report has, and which objects
//! have leaked. LeakSanitizer has no interface for that.

use crate::arena::Table;
use crate::file;
use core::sync::atomic::AtomicU8;

/// How much is read at once; longer lines are passed over.
const PART_BYTES: usize = 1 << 16;

/// What is read lies here, not on the stack: reports come on signal stacks too. Who reads the log holds the evidence's lock.
static PART: Table<AtomicU8> = Table::new();

/// Makes room. False: there is no memory.
pub fn prepare() -> bool {
    PART.reserve(PART_BYTES)
}

/// A line that matters.
pub enum Line {
    /// A report begins.
    Report {
        /// It is UBSan's.
        undefined: bool,
    },
    /// An object has leaked: `0x602000000010 (7 bytes)` (report_objects=1).
    Leaked(u64),
}

/// How far the log was read.
pub struct Reader {
    offset: u64,
    /// Reports that began so far.
    pub reports: u32,
    /// Whether the last of them is UBSan's.
    pub undefined: bool,
    identity: (u64, u64),
}

impl Reader {
    pub const fn new() -> Reader {
        Reader {
            offset: 0,
            reports: 0,
            undefined: false,
            identity: (0, 0),
        }
    }

    /// Reads what is new, and calls `each` with the lines that matter. False: there
    /// is no log.
    pub fn read(&mut self, process: u32, mut each: impl FnMut(&Line)) -> bool {
        let descriptor = file::Path::of(process, Some(b"log")).open(libc::O_RDONLY);
        if descriptor < 0 {
            return false;
        }
        let identity = file::identity(descriptor);
        if let Some(identity) = identity {
            if self.identity != identity {
                *self = Reader {
                    identity,
                    ..Reader::new()
                };
            }
            self.read_lines(descriptor, &mut each);
        }
        file::close(descriptor);
        identity.is_some()
    }

    fn read_lines(&mut self, descriptor: i32, each: &mut dyn FnMut(&Line)) {
        loop {
            // SAFETY: the table is ours to fill: who calls holds the lock.
            let len = unsafe {
                libc::syscall(
                    libc::SYS_pread64,
                    descriptor,
                    PART.start(),
                    PART.len(),
                    self.offset,
                )
            };
            let len = len.max(0) as usize;
            // SAFETY: the kernel has just filled so much of it.
            let bytes = unsafe { core::slice::from_raw_parts(PART.start().cast::<u8>(), len) };
            let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
                if bytes.len() < PART_BYTES {
                    return; // a line that is still being written
                }
                self.offset += PART_BYTES as u64;
                continue;
            };
            for line in bytes.get(..end).unwrap_or_default().split(|byte| *byte == b'\n') {
                if let Some(line) = parse(line) {
                    if let Line::Report { undefined } = line {
                        self.reports += 1;
                        self.undefined = undefined;
                    }
                    each(&line);
                }
            }
            self.offset += end as u64 + 1;
        }
    }
}

fn parse(line: &[u8]) -> Option<Line> {
    if line.starts_with(b"0x") {
        return line.ends_with(b" bytes)").then(|| leaked(line))?;
    }
    // `==123==ERROR: AddressSanitizer: …`, and LeakSanitizer likewise.
    if line.starts_with(b"==") && contains(line, b"ERROR: ") && contains(line, b"Sanitizer: ") {
        return Some(Line::Report { undefined: false });
    }
    // `file.c:3:5: runtime error: …`
    contains(line, b": runtime error: ").then_some(Line::Report { undefined: true })
}

fn leaked(line: &[u8]) -> Option<Line> {
    hexadecimal(line.get(2..)?).map(Line::Leaked)
}

/// The number that `text` begins with.
pub fn hexadecimal(text: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    let mut digits = 0;
    for byte in text {
        let Some(digit) = (*byte as char).to_digit(16) else {
            break;
        };
        digits += 1;
        if digits > 16 {
            return None;
        }
        value = value << 4 | digit as u64;
    }
    (digits > 0).then_some(value)
}

/// Where `wanted` is in `text`.
pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    find(text, wanted).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_matter() {
        let is_report = |line: &str| match parse(line.as_bytes()) {
            Some(Line::Report { undefined }) => Some(undefined),
            _ => None,
        };
        assert_eq!(
            is_report("==12==ERROR: AddressSanitizer: heap-use-after-free on"),
            Some(false)
        );
        assert_eq!(
            is_report("==12==ERROR: LeakSanitizer: detected memory leaks"),
            Some(false)
        );
        assert_eq!(
            is_report("a.c:4:51: runtime error: signed integer overflow"),
            Some(true)
        );
        assert_eq!(is_report("SUMMARY: AddressSanitizer: heap-use-after-free"), None);
        let leaked = |line: &str| match parse(line.as_bytes()) {
            Some(Line::Leaked(abs_addr)) => Some(abs_addr),
            _ => None,
        };
        assert_eq!(leaked("0x602000000010 (7 bytes)"), Some(0x6020_0000_0010));
        for other in [
            "0x (7 bytes)",
            "0x602000000010 (7 bytes",
            "0x11112222333344445 (7 bytes)",
            "",
        ] {
            assert_eq!(leaked(other), None, "{other}");
        }
    }
}

//! The reader of tables against llvm-dwarfdump, row by row, and against tables that
//! were changed at random: it must come back, with any result.
//!
//! tests/cfi/rebuild makes the tables.
extern crate std;

use super::{evaluate, with_row, Cfa, Row, Saved};
use crate::module::Module;
use crate::walk::End;
use std::format;
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;

struct Tables {
    name: &'static str,
    /// The virtual address of the first byte.
    base: u64,
    bytes: Vec<u8>,
    functions: Vec<Function>,
}

struct Function {
    start: u64,
    end: u64,
    /// Where each row starts, and what it says.
    rows: Vec<(u64, String)>,
}

impl Tables {
    fn all() -> Vec<Tables> {
        ["gcc", "gcc-frame-pointers", "clang", "unusual"]
            .map(Tables::read)
            .into()
    }

    fn read(name: &'static str) -> Tables {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cfi");
        let text = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
        let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        let mut tables = Tables {
            name,
            base: 0,
            bytes: Vec::new(),
            functions: Vec::new(),
        };
        for line in text.lines() {
            let (kind, rest) = line.split_once(' ').unwrap();
            let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
            match kind {
                "base" => tables.base = hex(first),
                "bytes" => {
                    let bytes = (0..first.len())
                        .step_by(2)
                        .map(|at| hex(&first[at..at + 2]) as u8);
                    tables.bytes.extend(bytes);
                }
                "fde" => {
                    tables.functions.push(Function {
                        start: hex(first),
                        end: hex(second),
                        rows: Vec::new(),
                    });
                }
                "row" => {
                    // What a PLT's entry says of addresses behind its end belongs to nobody.
                    let function = tables.functions.last_mut().unwrap();
                    if hex(first) < function.end {
                        function.rows.push((hex(first), second.to_string()));
                    }
                }
                _ => {}
            }
        }
        assert!(tables.functions.len() >= 3, "{name} has functions");
        tables
    }

    /// These bytes as a loaded module, and how far they lie from their virtual address.
    fn module(&self, bytes: &[u8]) -> (Module, u64) {
        let start = bytes.as_ptr() as u64;
        let end = start + bytes.len() as u64;
        (
            Module {
                start,
                end,
                bias: 0,
                eh_frame_hdr: start,
                link_map: 0,
            },
            start.wrapping_sub(self.base),
        )
    }
}

const REGISTERS: [&str; 17] = [
    "RAX", "RDX", "RCX", "RBX", "RSI", "RDI", "RBP", "RSP", "R8", "R9", "R10", "R11", "R12", "R13", "R14",
    "R15", "RIP",
];

/// An expression as llvm-dwarfdump writes it; only what these tables have in it.
fn expression(code: &[u8]) -> String {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(&op) = code.get(at) {
        at += 1;
        let word = match op {
            0x06 => "DW_OP_deref".into(),
            0x1a => "DW_OP_and".into(),
            0x22 => "DW_OP_plus".into(),
            0x24 => "DW_OP_shl".into(),
            0x2a => "DW_OP_ge".into(),
            0x30..=0x4f => format!("DW_OP_lit{}", op - 0x30),
            0x70..=0x8f => {
                // SLEB128 of up to two bytes.
                let low = code[at] as i64;
                at += 1;
                let offset = if low & 0x80 == 0 {
                    low << 57 >> 57
                } else {
                    at += 1;
                    (low & 0x7f | (code[at - 1] as i64) << 7) << 50 >> 50
                };
                let register = op - 0x70;
                format!("DW_OP_breg{register} {}{offset:+}", REGISTERS[register as usize])
            }
            _ => panic!("operation {op:#x} in {code:02x?}"),
        };
        words.push(word);
    }
    words.join(", ")
}

/// A row as llvm-dwarfdump writes it.
fn text(row: &Row<'_>) -> Result<String, End> {
    let cfa = match row.cfa()? {
        Cfa::Register { number, offset: 0 } => REGISTERS[number as usize].into(),
        Cfa::Register { number, offset } => format!("{}{offset:+}", REGISTERS[number as usize]),
        Cfa::Expression(code) => expression(&code),
    };
    let mut rules = Vec::new();
    for (number, name) in REGISTERS.iter().enumerate() {
        let rule = match row.saved(number as u16)? {
            Saved::Same => continue,
            Saved::Undefined => "undefined".into(),
            Saved::At(offset) => format!("[CFA{offset:+}]"),
            Saved::Is(offset) => format!("CFA{offset:+}"),
            Saved::In(other) => REGISTERS[other as usize].into(),
            Saved::AtExpression(code) => format!("[{}]", expression(&code)),
            Saved::IsExpression(code) => expression(&code),
        };
        rules.push(format!("{name}={rule}"));
    }
    Ok(format!("CFA={cfa}: {}", rules.join(", ")))
}

/// What is still in its register needs no word in a row, and gets none from us.
fn without_same(row: &str) -> String {
    let (cfa, rules) = row.split_once(": R").unwrap();
    let rules: Vec<_> = rules
        .split(", R")
        .filter(|rule| !rule.ends_with("=same"))
        .collect();
    format!("{cfa}: R{}", rules.join(", R"))
}

#[test]
fn every_row_is_what_llvm_reads() {
    for tables in Tables::all() {
        let (module, shift) = tables.module(&tables.bytes);
        let mut compared = 0;
        for function in &tables.functions {
            for (index, (start, wanted)) in function.rows.iter().enumerate() {
                let end = function
                    .rows
                    .get(index + 1)
                    .map_or(function.end, |(next, _)| *next);
                for pc in [*start, end - 1] {
                    let got = with_row(&module, pc.wrapping_add(shift), text);
                    assert_eq!(
                        got.as_ref(),
                        Ok(&without_same(wanted)),
                        "{} at {pc:#x}",
                        tables.name
                    );
                    compared += 1;
                }
            }
        }
        assert!(compared >= 12, "{}: {compared} rows", tables.name);
        let first = tables
            .functions
            .iter()
            .map(|function| function.start)
            .min()
            .unwrap();
        let last = tables
            .functions
            .iter()
            .map(|function| function.end)
            .max()
            .unwrap();
        for outside in [first - 1, last, last + 100_000] {
            let got = with_row(&module, outside.wrapping_add(shift), text);
            assert_eq!(got, Err(End::NoCfi), "{} at {outside:#x}", tables.name);
        }
    }
}

#[test]
fn signal_frames_are_told_apart() {
    let tables = Tables::read("unusual");
    let (module, shift) = tables.module(&tables.bytes);
    let is_signal_frame = |function: &Function| {
        with_row(&module, function.start.wrapping_add(shift), |row| {
            Ok(row.is_signal_frame)
        })
        .unwrap()
    };
    let all: Vec<_> = tables.functions.iter().map(is_signal_frame).collect();
    assert_eq!(all, [false, true, false]);
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % limit as u64) as usize
    }
}

const WORDS: [u32; 10] = [
    0,
    1,
    4,
    8,
    0x7fff,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
];

fn change(bytes: &mut [u8], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(4) {
        0 => bytes[at] = random.below(256) as u8,
        1 => bytes[at] ^= 1 << random.below(8),
        2 => {
            let word = WORDS[random.below(WORDS.len())];
            let at = at.min(bytes.len() - 4);
            bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        _ => {
            let len = 1 + random.below(16.min(bytes.len() - at));
            let from = random.below(bytes.len() - len + 1);
            bytes.copy_within(from..from + len, at);
        }
    }
}

/// All that the walk asks a row.
fn use_row(row: &Row<'_>) -> Result<(), End> {
    let register = |number: u16| Some(number as u64 * 0x1000);
    if let Cfa::Expression(code) = row.cfa()? {
        evaluate(code, None, register);
    }
    for number in 0..17 {
        if let Saved::AtExpression(code) | Saved::IsExpression(code) = row.saved(number)? {
            evaluate(code, Some(0x2000), register);
        }
    }
    row.return_address().map(|_| ())
}

#[test]
fn changed_tables_never_panic() {
    let mut results = [0u32; End::ALL.len()];
    let mut read = 0;
    for (seed, tables) in Tables::all().into_iter().enumerate() {
        let mut random = Random(seed as u64);
        let mut bytes = tables.bytes.clone();
        for _ in 0..8000 {
            bytes.copy_from_slice(&tables.bytes);
            for _ in 0..1 + random.below(6) {
                change(&mut bytes, &mut random);
            }
            // Some end earlier than their own lengths say.
            let len = if random.below(8) == 0 {
                random.below(bytes.len())
            } else {
                bytes.len()
            };
            let (module, shift) = tables.module(&bytes[..len]);
            let function = &tables.functions[random.below(tables.functions.len())];
            let inside = random.below((function.end - function.start) as usize) as u64;
            match with_row(&module, (function.start + inside).wrapping_add(shift), use_row) {
                Ok(()) => read += 1,
                Err(end) => results[end.code() as usize] += 1,
            }
        }
    }
    // The changes are neither too weak nor too strong to say anything.
    assert!(read > 1000, "{read} rows were read");
    for end in [End::NoCfi, End::CorruptCfi] {
        assert!(results[end.code() as usize] > 1000, "{end:?}: {results:?}");
    }
}

//! Go's own tables, read from memory, against what other readers say of the same files: binutils
//! (symbol table), Go's addr2line (its own reader of these tables), llvm-symbolizer (DWARF).
#![cfg(target_arch = "x86_64")]

mod gosupport;

use ffikit_unwind::pclntab::{Pclntab, NAME_BYTES};
use gosupport::image::Image;
use gosupport::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};

/// Images all want the same addresses.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The go command of a release itself: a program with symbols and many functions.
fn go_command(release: &str) -> PathBuf {
    require_release(release);
    let output = succeed(go(release, Path::new("/")).args(["env", "GOROOT"]));
    Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("bin/go")
}

/// The functions of Go's text by their entries, as the symbol table names them.
fn functions_by_nm(program: &Path, tables: &Pclntab) -> BTreeMap<u64, Vec<String>> {
    let output = succeed(Command::new("nm").arg("--defined-only").arg(program));
    let mut functions = BTreeMap::<u64, Vec<String>>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut words = line.splitn(3, ' ');
        let (address, kind, name) = (
            words.next().unwrap(),
            words.next().unwrap(),
            words.next().unwrap(),
        );
        let address = u64::from_str_radix(address, 16).unwrap();
        let is_marker = ["runtime.text", "runtime.etext"].contains(&name) || name.starts_with("type:");
        if kind.eq_ignore_ascii_case("t")
            && (tables.text_start..tables.text_end).contains(&address)
            && !is_marker
        {
            // Functions that follow Go's first calling convention are marked in the symbol table only.
            functions
                .entry(address)
                .or_default()
                .push(name.trim_end_matches(".abi0").to_owned());
        }
    }
    functions
}

/// The calls at an address of the code, innermost first: name, file, line.
fn calls_at(tables: &Pclntab, pc: u64) -> Option<Vec<(String, String, u32)>> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut calls = Vec::new();
    tables.calls_at(pc, &mut |call| {
        calls.push((text(call.function), text(call.file), call.line))
    })?;
    Some(calls)
}

/// Feeds addresses to a tool, a line each, and gives what it prints.
fn ask(tool: &mut Command, addresses: impl Iterator<Item = u64>) -> String {
    let mut child = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text: String = addresses.map(|address| format!("{address:#x}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{tool:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_function_of_the_symbol_table() {
    let _alone = alone();
    for release in RELEASES {
        let program = go_command(release);
        let image = Image::map(&program);
        let tables = Pclntab::find(&image.module).expect("Go's tables");
        let functions = functions_by_nm(&program, &tables);
        assert!(functions.len() > 10_000, "{release}: {}", functions.len());
        for (entry, names) in &functions {
            let function = tables
                .function_at(*entry)
                .unwrap_or_else(|| panic!("{release}: {names:?}"));
            assert_eq!(function.entry, *entry, "{names:?}");
            assert!(function.end > *entry);
            let last = tables.function_at(function.end - 1).unwrap();
            assert_eq!(last, function);
            let calls = calls_at(&tables, *entry).unwrap();
            // Go's linker writes no middle dots (types that are local to a function) into the symbol table.
            let name = &calls.last().unwrap().0.replace('·', ".");
            assert!(
                names.contains(name),
                "{release} {entry:#x}: {name}, by nm {names:?}"
            );
        }
        // Nothing lies before and after.
        assert_eq!(tables.function_at(tables.text_start - 1), None);
        assert_eq!(tables.function_at(tables.text_end), None);
    }
}

#[test]
fn every_entry_as_gos_own_reader_says() {
    let _alone = alone();
    for release in [RELEASES[0], RELEASES[5]] {
        let program = go_command(release);
        let image = Image::map(&program);
        let tables = Pclntab::find(&image.module).expect("Go's tables");
        let entries: Vec<u64> = functions_by_nm(&program, &tables).into_keys().collect();
        let mut tool = go(release, Path::new("/"));
        let answers = ask(
            tool.args(["tool", "addr2line"]).arg(&program),
            entries.iter().copied(),
        );
        let answers: Vec<&str> = answers.lines().collect();
        assert_eq!(answers.len(), 2 * entries.len());
        for (entry, answer) in entries.iter().zip(answers.chunks(2)) {
            let calls = calls_at(&tables, *entry).unwrap();
            let (_, file, line) = calls.first().unwrap();
            assert_eq!(calls.last().unwrap().0, answer[0], "{release} {entry:#x}");
            assert_eq!(
                format!("{file}:{line}"),
                answer[1].replace(":-1", ":0"),
                "{release} {entry:#x} {}",
                answer[0]
            );
        }
    }
}

/// Chains of inlined calls at addresses throughout the code, by DWARF: made by the same compiler, but
/// written and read by nothing that these tables are.
#[test]
fn inlined_calls_as_the_debug_information_says() {
    let _alone = alone();
    for release in RELEASES {
        require_release(release);
        let program = build(
            release,
            &program("gochain"),
            &scratch(&format!("{release}-tables")).join("gochain"),
            &["-ldflags=-compressdwarf=false"],
        );
        let image = Image::map(&program);
        let tables = Pclntab::find(&image.module).expect("Go's tables");
        let addresses = sample(&program, &tables);
        let mut tool = Command::new("llvm-symbolizer-19");
        tool.args(["--output-style=GNU", "--functions=linkage", "--obj"])
            .arg(&program);
        let answers = ask(tool.args(["--inlines", "--addresses"]), addresses.iter().copied());
        let answers = answers.split("0x").skip(1);
        let (mut inlined, mut asked) = (0, 0);
        for (pc, answer) in addresses.iter().zip(answers) {
            let lines: Vec<&str> = answer.lines().skip(1).collect();
            let by_dwarf: Vec<(&str, &str)> = lines.chunks(2).map(|call| (call[0], call[1])).collect();
            // What Go's linker makes itself has no lines.
            if by_dwarf
                .iter()
                .any(|(_, place)| place.contains('?') || place.ends_with(":0"))
            {
                continue;
            }
            let calls = calls_at(&tables, *pc).unwrap();
            asked += 1;
            inlined += usize::from(calls.len() > 1);
            assert_eq!(
                calls.len(),
                by_dwarf.len(),
                "{release} {pc:#x}: {calls:?}, by DWARF {by_dwarf:?}"
            );
            for ((name, file, line), (name_by_dwarf, place)) in calls.iter().zip(by_dwarf) {
                let name_by_dwarf = name_by_dwarf.trim_end_matches(".abi0");
                let is_same =
                    name == name_by_dwarf || name.len() == NAME_BYTES && name_by_dwarf.starts_with(name);
                assert!(is_same, "{release} {pc:#x}: {name}, by DWARF {name_by_dwarf}");
                assert_eq!(
                    format!("{file}:{line}"),
                    place.trim_start_matches("./"),
                    "{release} {pc:#x}: {name}"
                );
            }
        }
        assert!(
            asked > 3000 && inlined > 500,
            "{release}: {asked} addresses, {inlined} in inlined calls"
        );
    }
}

/// Addresses in every function, spread by its own address.
fn sample(program: &Path, tables: &Pclntab) -> Vec<u64> {
    let entries = functions_by_nm(program, tables).into_keys();
    let functions = entries.filter_map(|entry| tables.function_at(entry));
    let spread = |entry: u64, end: u64| {
        (1..5).map(move |part| entry + (end - entry) * (entry / 16 % 7 + 7 * part) / 36)
    };
    functions
        .flat_map(|function| spread(function.entry, function.end))
        .collect()
}

//! What the tests of native stacks share: programs in C and C++ are built by the
//! compilers that people use, run under a watchdog, and their frames named by
//! llvm-symbolizer. A missing tool fails.
#![allow(dead_code)] // Each test file uses its part.

use ffikit_unwind::End;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// No program runs longer than this; it is there to end hangs.
const WATCHDOG: Duration = Duration::from_secs(180);

pub const COMPILERS: [&str; 2] = ["gcc", "clang-19"];

pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/native")
}

/// The folder of libwalker.so (examples/walker.rs), which `cargo test` has built
/// unless only some targets were asked for.
fn walker_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let executable = std::env::current_exe().unwrap();
        let profile = executable.parent().unwrap().parent().unwrap();
        let folder = profile.join("examples");
        let built = fs::metadata(folder.join("libwalker.so")).and_then(|file| file.modified());
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let newest = newest_change(&manifest.join("src")).max(newest_change(&manifest.join("examples")));
        if built.map_or(true, |built| built < newest) {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args([
                "build",
                "--quiet",
                "--offline",
                "--package",
                "ffikit-unwind",
                "--example",
                "walker",
            ]);
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(
                cargo.current_dir(manifest).status().unwrap().success(),
                "examples/walker.rs does not build"
            );
        }
        folder
    })
}

fn newest_change(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let changes = entries.map(|path| {
        if path.is_dir() {
            newest_change(&path)
        } else {
            fs::metadata(&path).unwrap().modified().unwrap()
        }
    });
    changes.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A folder for what one test builds, emptied before.
pub fn scratch(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("native").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn checked(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{text}");
}

fn compiler(name: &str, source: &str) -> String {
    match (name, source.ends_with(".cc")) {
        ("gcc", true) => "g++".into(),
        ("clang-19", true) => "clang++-19".into(),
        _ => name.into(),
    }
}

/// Compiles a program of tests/programs/native that uses the walker.
pub fn build(compiler_name: &str, flags: &[&str], source: &str, output: &Path) {
    let mut command = Command::new(compiler(compiler_name, source));
    command
        .args(["-g", "-Wall", "-D_GNU_SOURCE", "-pthread"])
        .args(flags);
    command.arg(sources().join(source)).arg("-o").arg(output);
    // Flags come once more, since what is linked counts from left to right.
    command.args(flags.iter().filter(|flag| flag.starts_with("-l")));
    command.arg("-L").arg(walker_folder()).arg("-lwalker").arg("-ldl");
    let folder = walker_folder().display();
    command
        .arg(format!("-Wl,-rpath,{folder}"))
        .arg("-Wl,-rpath,$ORIGIN");
    checked(&mut command);
}

/// Compiles a shared library of tests/programs/native, without the walker.
pub fn build_library(compiler_name: &str, flags: &[&str], source: &str, output: &Path) {
    let mut command = Command::new(compiler(compiler_name, source));
    command
        .args(["-g", "-Wall", "-D_GNU_SOURCE", "-fPIC", "-shared"])
        .args(flags);
    command.arg(sources().join(source)).arg("-o").arg(output);
    checked(&mut command);
}

/// Runs a program to its end, which must be a success, and gives what it printed.
pub fn run(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    run_command(&mut command)
}

pub fn run_command(command: &mut Command) -> String {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let collect = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let output = collect(Box::new(child.stdout.take().unwrap()));
    let errors = collect(Box::new(child.stderr.take().unwrap()));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > WATCHDOG {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!(
                "{command:?} hangs\n{}{}",
                output.join().unwrap(),
                errors.join().unwrap()
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (output, errors) = (output.join().unwrap(), errors.join().unwrap());
    let signal = status.signal();
    assert!(
        status.success(),
        "{command:?}: {status} (signal {signal:?})\n{output}{errors}"
    );
    output
}

/// One stack that a program printed.
#[derive(Debug, Default)]
pub struct Stack {
    pub label: String,
    /// Bits, file, virtual address.
    pub frames: Vec<(u64, String, u64)>,
    pub end: u32,
    /// What walker.h says of libgcc's stack beside ours.
    pub libgcc: String,
}

/// Reads what print_stack of walker.h wrote.
pub fn stacks(output: &str) -> Vec<Stack> {
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let mut stacks: Vec<Stack> = Vec::new();
    for line in output.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("stack"), Some(label)) => stacks.push(Stack {
                label: label.into(),
                ..Stack::default()
            }),
            (Some("frame"), Some(bits)) => {
                let (file, virt_addr) = (words.next().unwrap().into(), hex(words.next().unwrap()));
                stacks
                    .last_mut()
                    .unwrap()
                    .frames
                    .push((hex(bits), file, virt_addr));
            }
            (Some("end"), Some(code)) => stacks.last_mut().unwrap().end = code.parse().unwrap(),
            (Some("libgcc"), Some(_)) => stacks.last_mut().unwrap().libgcc = line["libgcc ".len()..].into(),
            _ => {}
        }
    }
    stacks
}

/// The functions of each stack that `source` defines, leaf first, inlined ones too; by llvm-symbolizer.
pub fn own_functions(stacks: &[Stack], source: &str) -> Vec<Vec<String>> {
    // System libraries are large to read, and nothing of ours.
    let this = std::env::current_exe().unwrap();
    let is_ours = |file: &str| file.contains(env!("CARGO_TARGET_TMPDIR")) || Path::new(file) == this;
    let mut input = String::new();
    let mut owners = Vec::new();
    for (index, stack) in stacks.iter().enumerate() {
        for (_, file, virt_addr) in stack.frames.iter().filter(|(_, file, _)| is_ours(file)) {
            input += &format!("\"{file}\" {virt_addr:#x}\n");
            owners.push(index);
        }
    }
    let mut functions = vec![Vec::new(); stacks.len()];
    let output = symbolize(input);
    let answers: Vec<&str> = output.split_terminator("\n\n").collect();
    assert_eq!(
        answers.len(),
        owners.len(),
        "llvm-symbolizer answers each address:\n{output}"
    );
    for (answer, owner) in answers.into_iter().zip(owners) {
        let lines: Vec<_> = answer.lines().collect();
        for pair in lines.chunks_exact(2) {
            let file = Path::new(pair[1].split(':').next().unwrap());
            if file.ends_with(source) {
                functions[owner].push(pair[0].trim_start_matches("(anonymous namespace)::").to_string());
            }
        }
    }
    functions
}

fn symbolize(input: String) -> String {
    let mut child = Command::new("llvm-symbolizer-19")
        .args([
            "--functions=short",
            "--inlines",
            "--demangle",
            "--output-style=LLVM",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("llvm-symbolizer-19");
    let mut to = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || to.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What a source says of a stack that it prints.
pub struct Expected {
    /// Its functions, leaf first; `NAME?` is missing where a tail call took its place.
    chain: Vec<String>,
    /// By name; the outermost frame unless the source says otherwise.
    end: String,
    /// libgcc must give the same stack.
    by_libgcc: bool,
}

/// What `// chain LABEL: NAME…` in a source says. `LABEL [END]` ends otherwise than at the
/// outermost frame; `LABEL [alone]` is what libgcc cannot walk.
pub fn expected_chains(source: &str) -> BTreeMap<String, Expected> {
    let text = fs::read_to_string(sources().join(source)).unwrap();
    let chains = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("// chain "));
    let parse = |chain: &str| {
        let (label, names) = chain
            .split_once(": ")
            .unwrap_or_else(|| panic!("{source}: {chain}"));
        let (label, remark) = label.split_once(" [").unwrap_or((label, "Complete]"));
        let remark = remark.trim_end_matches(']');
        let expected = Expected {
            chain: names.split(' ').map(String::from).collect(),
            end: if remark == "alone" { "Complete" } else { remark }.into(),
            by_libgcc: remark != "alone",
        };
        (label.to_string(), expected)
    };
    let chains: BTreeMap<_, _> = chains.map(parse).collect();
    assert!(!chains.is_empty(), "{source} names no chain");
    chains
}

/// Demands that a program printed each chain that its source names: the same functions, to the
/// outermost frame of the thread, equal to libgcc's stack frame by frame.
pub fn assert_chains(source: &str, build: &str, output: &str, makes_tail_calls: bool) {
    assert!(!output.contains("wrong"), "{build}:\n{output}");
    let mut expected = expected_chains(source);
    let stacks = stacks(output);
    for (stack, functions) in stacks.iter().zip(own_functions(&stacks, source)) {
        let label = &stack.label;
        let expected = expected
            .remove(label)
            .unwrap_or_else(|| panic!("{source} does not name {label}, or it was printed twice"));
        let chain: Vec<_> = expected
            .chain
            .iter()
            .filter(|name| !(makes_tail_calls && name.ends_with('?')))
            .map(|name| name.trim_end_matches('?'))
            .collect();
        assert_eq!(functions, chain, "{build}, {label}\n{output}");
        let end = format!("{:?}", End::ALL[stack.end as usize]);
        assert_eq!(end, expected.end, "{build}, {label}: where it ends\n{output}");
        let libgcc = if expected.by_libgcc {
            "same"
        } else {
            "was not asked"
        };
        assert_eq!(stack.libgcc, libgcc, "{build}, {label}\n{output}");
    }
    let missing: Vec<_> = expected.keys().collect();
    assert!(missing.is_empty(), "{build}: missing {missing:?}\n{output}");
}

//! What the tests with Go programs share: toolchains, builds, and the stacks that
//! the probe (examples/probe.rs) prints inside of a program.
#![allow(dead_code)] // Each test file uses its part.

pub mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The last patch of every minor release that is supported; they come through the module proxy.
pub const RELEASES: [&str; 6] = ["1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.14", "1.26.11"];

/// Against hangs only.
const WATCHDOG: Duration = Duration::from_secs(120);

/// A source directory of tests/programs.
pub fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
}

/// An empty directory of this test's own, below Cargo's for tests.
pub fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go").join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// The probe library, built once a test run.
pub fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--package",
            "ffikit-unwind",
            "--example",
            "probe",
        ]);
        succeed(cargo.current_dir(env!("CARGO_MANIFEST_DIR")));
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        target.join("debug/examples/libprobe.so")
    })
}

/// Go's command of a release, in the sources of a program.
pub fn go(release: &str, source: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(source)
        .env("GOTOOLCHAIN", format!("go{release}"))
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false");
    go
}

/// Says which toolchain is missing and why, before a build fails in some other way.
pub fn require_release(release: &str) {
    let version = go(release, Path::new("/"))
        .arg("version")
        .output()
        .unwrap_or_else(|error| panic!("these tests need Go's command: {error}"));
    let text = String::from_utf8_lossy(&version.stdout);
    assert!(
        text.contains(&format!("go{release} ")),
        "the toolchain of Go {release} is needed, from the module proxy or its cache: {}",
        String::from_utf8_lossy(&version.stderr)
    );
}

/// Builds a Go program or library, and gives back the file.
pub fn build(release: &str, source: &Path, output: &Path, flags: &[&str]) -> PathBuf {
    succeed(
        go(release, source)
            .args(["build", "-trimpath", "-o"])
            .arg(output)
            .args(flags)
            .arg("."),
    );
    output.to_owned()
}

/// Compiles a C file into a program.
pub fn compile(source: &Path, output: &Path, flags: &[&str]) -> PathBuf {
    succeed(
        Command::new("cc")
            .args(["-O2", "-g", "-fomit-frame-pointer", "-rdynamic", "-o"])
            .arg(output)
            .arg(source)
            .args(flags),
    );
    output.to_owned()
}

/// Runs a command that must not fail, and gives what it printed.
pub fn succeed(command: &mut Command) -> Output {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Leaves a file without section headers, so that only its segments say what is in it.
pub fn remove_section_headers(path: &Path) {
    let mut file = std::fs::read(path).unwrap();
    file[40..48].fill(0); // e_shoff
    file[58..64].fill(0); // e_shentsize, e_shnum, e_shstrndx
    std::fs::write(path, file).unwrap();
}

/// One logical call of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    /// Only Go's tables have lines.
    pub line: Option<u32>,
    pub inlined: bool,
    /// Interrupted at this instruction by a signal.
    pub is_exact: bool,
    /// Module (the file's name) and offset, where no name was found in the process.
    pub place: Option<(String, u64)>,
}

/// A stack that the probe printed.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    pub calls: Vec<Call>,
    pub end: String,
}

impl Stack {
    pub fn names(&self) -> Vec<&str> {
        self.calls.iter().map(|call| call.name.as_str()).collect()
    }

    /// Gives calls of one module, which exports nothing, the names of its symbol table.
    pub fn name_by_symbol_table(&mut self, module: &Path) {
        let output = succeed(Command::new("nm").arg("--defined-only").arg(module));
        let mut symbols = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            if words[1].eq_ignore_ascii_case("t") {
                symbols.insert(u64::from_str_radix(words[0], 16).unwrap(), words[2].to_owned());
            }
        }
        let file = module.file_name().unwrap().to_str().unwrap();
        for call in &mut self.calls {
            if let Some((_, offset)) = call.place.as_ref().filter(|(of, _)| of == file) {
                call.name = symbols.range(..=offset).next_back().unwrap().1.clone();
            }
        }
    }

    /// The calls of functions that the programs' sources define: no runtime, no glue of cgo's.
    pub fn of_sources(&self) -> Vec<&str> {
        let is_glue = |name: &str| name.starts_with("main._C") || name.starts_with("main._cgo");
        let is_of_source = |name: &&str| {
            (name.starts_with("main.") && !is_glue(name))
                || name.starts_with("c_")
                || ["caller", "main"].contains(name)
        };
        self.names().into_iter().filter(is_of_source).collect()
    }
}

/// Runs a program with the probe in it, and gives the stacks that it told, by label.
pub fn stacks<S: AsRef<OsStr>>(
    program: &Path,
    arguments: &[S],
    environment: &[(&str, &str)],
) -> BTreeMap<String, Stack> {
    let output = run(program, arguments, environment);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{} {}:\n{text}",
        program.display(),
        output.status
    );
    parse(&text)
}

/// Runs a program with the probe in it, and ends it when it hangs.
pub fn run<S: AsRef<OsStr>>(program: &Path, arguments: &[S], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LD_PRELOAD", probe())
        .envs(environment.iter().copied());
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut stderr, &mut text).map(|_| text)
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > WATCHDOG {
            child.kill().unwrap();
            panic!("{} hangs", program.display());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output {
        status,
        stdout: Vec::new(),
        stderr: reader.join().unwrap().unwrap(),
    }
}

/// Reads what the probe prints.
pub fn parse(text: &str) -> BTreeMap<String, Stack> {
    let mut stacks = BTreeMap::new();
    let mut current: Option<(String, Stack)> = None;
    // A native line is one call by its symbol, unless lines of Go's calls follow.
    let mut by_symbol: Option<Call> = None;
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "stack" {
            current = Some((rest.to_owned(), Stack::default()));
            continue;
        }
        let Some((label, stack)) = &mut current else {
            continue;
        };
        if word != "call" {
            stack.calls.extend(by_symbol.take());
        }
        match word {
            "native" | "exact" => {
                let mut words = rest.split(' ').skip(1);
                let place = words.next().and_then(|place| place.split_once("+0x"));
                by_symbol = Some(Call {
                    name: words.next().unwrap_or_default().to_owned(),
                    line: None,
                    inlined: false,
                    is_exact: word == "exact",
                    place: place
                        .map(|(file, offset)| (file.to_owned(), u64::from_str_radix(offset, 16).unwrap())),
                });
            }
            "call" => {
                by_symbol = None;
                let (name, place) = rest.rsplit_once(' ').unwrap();
                let (name, inlined) = name
                    .strip_suffix(", inlined")
                    .map_or((name, false), |name| (name, true));
                let line = place.rsplit(':').next().unwrap().parse().unwrap();
                stack.calls.push(Call {
                    name: without_shapes(name),
                    line: Some(line),
                    inlined,
                    is_exact: false,
                    place: None,
                });
            }
            "end" => {
                stack.end = rest.to_owned();
                let previous = stacks.insert(label.clone(), std::mem::take(stack));
                assert!(previous.is_none(), "two stacks {label}");
                current = None;
            }
            _ => {}
        }
    }
    stacks
}

/// A generic function's type arguments, as the runtime prints them.
fn without_shapes(name: &str) -> String {
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => format!("{}[...]{}", &name[..open], &name[close + 1..]),
        _ => name.to_owned(),
    }
}

/// The lines that comments mark with `frame: NAME` or `frame: NAME, inlined`, of all sources of a program.
#[derive(Default)]
pub struct Markers(BTreeMap<String, BTreeSet<(u32, bool)>>);

impl Markers {
    pub fn of(source: &Path) -> Markers {
        let mut markers = Markers::default();
        for entry in std::fs::read_dir(source).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "go") {
                continue;
            }
            for (index, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
                let Some((code, mark)) = line.split_once("// frame: ") else {
                    continue;
                };
                if !code.trim().is_empty() {
                    let (name, inlined) = mark
                        .strip_suffix(", inlined")
                        .map_or((mark, false), |name| (name, true));
                    markers
                        .0
                        .entry(name.to_owned())
                        .or_default()
                        .insert((index as u32 + 1, inlined));
                }
            }
        }
        assert!(!markers.0.is_empty());
        markers
    }

    /// Asserts that a stack's calls of Go functions stand on marked lines.
    pub fn check(&self, stack: &Stack) {
        let calls = stack
            .calls
            .iter()
            .filter(|call| call.line.is_some() && self.0.contains_key(&call.name));
        for call in calls {
            let lines = &self.0[&call.name];
            let stands = lines
                .iter()
                .any(|(line, inlined)| Some(*line) == call.line && (!inlined || call.inlined));
            assert!(stands, "{call:?} is not on its line: {lines:?}");
        }
    }
}

/// Does jobs on two threads (that is what CI has), and fails with all that failed.
pub fn in_parallel<J: Send + std::fmt::Debug>(jobs: Vec<J>, work: impl Fn(&J) + Sync) {
    let queue = std::sync::Mutex::new(jobs.into_iter());
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| loop {
                let Some(job) = queue.lock().unwrap().next() else {
                    return;
                };
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&job)));
                if let Err(panic) = done {
                    let text = panic.downcast_ref::<String>().cloned();
                    failures
                        .lock()
                        .unwrap()
                        .push(format!("{job:?}: {}", text.unwrap_or_default()));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

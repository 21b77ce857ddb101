//! Compiles programs with clang-19, runs them beside the companion, and reads what
//! it wrote, as go/trace/FORMAT.md says, by code of its own.
#![allow(dead_code)]

pub mod evidence;
pub mod heap;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[allow(unused_imports)]
pub use evidence::{Evidence, Module, Role};

/// The sanitizers' options as `ffikit sanitize` sets them.
const ASAN: &str =
    "fast_unwind_on_malloc=1:malloc_context_size=2:detect_stack_use_after_return=1:alloc_dealloc_mismatch=1:\
    handle_segv=1:allow_user_segv_handler=1:exitcode=0:abort_on_error=1:verify_asan_link_order=0";

pub fn output_of(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
}

/// The line of a program's source that has `/* MARKER */`.
pub fn line_of(program: &str, marker: &str) -> u32 {
    let text = fs::read_to_string(source(program)).unwrap();
    let wanted = format!("/* {marker} */");
    let lines: Vec<_> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.contains(&wanted))
        .collect();
    assert_eq!(lines.len(), 1, "{program} has one {wanted}");
    lines[0].0
}

/// A program to compile: with the shared runtime of clang, unless the flags say otherwise.
pub struct Build<'a> {
    pub source: &'a str,
    pub compiler: &'a str,
    pub flags: &'a [&'a str],
}

pub const SHARED: &[&str] = &["-fsanitize=address,undefined", "-shared-libasan"];

impl Build<'_> {
    pub fn build(&self) -> PathBuf {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "{}-{}-{number}",
            self.source.replace('.', "_"),
            std::process::id()
        );
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        output_of(
            Command::new(self.compiler)
                .args([
                    "-g",
                    "-O1",
                    "-fno-omit-frame-pointer",
                    "-fno-optimize-sibling-calls",
                    "-pthread",
                ])
                .args(self.flags)
                .arg(source(self.source))
                .arg("-o")
                .arg(&program)
                .arg("-ldl"),
        );
        program
    }
}

pub fn build(source: &str) -> PathBuf {
    Build {
        source,
        compiler: "clang-19",
        flags: SHARED,
    }
    .build()
}

pub fn runtime() -> String {
    output_of(Command::new("clang-19").arg("-print-file-name=libclang_rt.asan-x86_64.so"))
}

/// The library under test, which Cargo built beside this test.
pub fn agent() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let agent = folder.join("libffikit_agent.so");
    assert!(agent.exists(), "no {}", agent.display());
    agent
}

/// A run of a program.
pub struct Run {
    command: Command,
    folder: PathBuf,
    options: String,
    undefined: String,
    preload: Vec<String>,
    companion: bool,
    prefix: Option<String>,
}

/// How it ended.
pub struct Ended {
    pub pid: u32,
    pub status: std::process::ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub folder: PathBuf,
}

/// Beyond this a program hangs.
const PATIENCE: Duration = Duration::from_secs(300);

impl Run {
    pub fn new(program: impl AsRef<Path>) -> Run {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Run {
            command: Command::new(program.as_ref()),
            folder,
            options: ASAN.to_owned(),
            undefined: String::new(),
            preload: vec![runtime()],
            companion: true,
            prefix: None,
        }
    }

    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Run {
        self.command.arg(argument);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    /// Further options of ASan.
    pub fn options(mut self, options: &str) -> Run {
        self.options = format!("{}:{options}", self.options);
        self
    }

    /// Options of UBSan.
    pub fn undefined(mut self, options: &str) -> Run {
        self.undefined = format!(":{options}");
        self
    }

    /// Without a runtime to preload: the program has one, or none.
    pub fn own_runtime(mut self) -> Run {
        self.preload.clear();
        self
    }

    /// Another FFIKIT_COMPANION.
    pub fn prefix(mut self, prefix: &str) -> Run {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// Without the companion, with stacks of the sanitizer's own.
    pub fn alone(mut self) -> Run {
        self.companion = false;
        self
    }

    pub fn run(mut self) -> Ended {
        if self.companion {
            self.preload.insert(0, agent().display().to_string());
            let prefix = self.folder.join("stacks").display().to_string();
            self.command
                .env("FFIKIT_COMPANION", self.prefix.take().unwrap_or(prefix));
        }
        let log = format!("symbolize=0:log_path={}", self.folder.join("log").display());
        self.command
            .env("LD_PRELOAD", self.preload.join(":"))
            .env("ASAN_OPTIONS", format!("{}:{log}", self.options))
            .env(
                "UBSAN_OPTIONS",
                format!("print_stacktrace=1:{log}{}", self.undefined),
            )
            .env("LSAN_OPTIONS", "report_objects=1:print_suppressions=0")
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.folder.join("stdout")).unwrap())
            .stderr(fs::File::create(self.folder.join("stderr")).unwrap());
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("{:?} hangs", self.command);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = |name| String::from_utf8_lossy(&fs::read(self.folder.join(name)).unwrap()).into_owned();
        Ended {
            pid: child.id(),
            status,
            stdout: text("stdout"),
            stderr: text("stderr"),
            folder: self.folder.clone(),
        }
    }
}

impl Ended {
    pub fn aborted(&self) -> bool {
        self.status.signal() == Some(6)
    }

    /// What it printed besides its own output is shown where it did not end as it should.
    pub fn assert_success(&self) {
        assert!(
            self.status.success(),
            "{}\n{}{}",
            self.status,
            self.stdout,
            self.stderr
        );
    }

    pub fn log(&self) -> String {
        self.log_of(self.pid)
    }

    pub fn log_of(&self, pid: u32) -> String {
        fs::read_to_string(self.folder.join(format!("log.{pid}"))).unwrap_or_default()
    }

    pub fn evidence(&self) -> Evidence {
        self.evidence_of(self.pid)
    }

    pub fn evidence_of(&self, pid: u32) -> Evidence {
        let path = self.folder.join(format!("stacks.{pid}"));
        let bytes = fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}{}", path.display(), self.stdout, self.stderr));
        let evidence = Evidence::read(&bytes);
        assert_eq!(evidence.process, pid);
        evidence
    }

    /// The processes that left evidence.
    pub fn processes(&self) -> Vec<u32> {
        let names = fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut processes: Vec<_> = names
            .filter_map(|name| name.to_str()?.strip_prefix("stacks.")?.parse().ok())
            .collect();
        processes.sort();
        processes
    }

    /// The leaks that the log has: the size of each object by its address.
    pub fn leaked(&self) -> BTreeMap<u64, u64> {
        self.log()
            .lines()
            .filter_map(|line| {
                let (address, rest) = line.strip_prefix("0x")?.split_once(" (")?;
                let size = rest.strip_suffix(" bytes)")?;
                Some((u64::from_str_radix(address, 16).ok()?, size.parse().ok()?))
            })
            .collect()
    }
}

//! A reader of heap traces, as go/trace/HEAP.md says, strict where the agent's own is not.

use super::{agent, output_of, Module};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub allocations: u64,
    pub frees: u64,
    pub allocated_bytes: u64,
    pub freed_bytes: u64,
    pub peak_bytes: u64,
    pub node: u32,
    pub class: u32,
}

impl Count {
    pub fn live(&self) -> (u64, u64) {
        (
            self.allocations - self.frees,
            self.allocated_bytes - self.freed_bytes,
        )
    }

    pub fn add(&mut self, other: &Count) {
        self.allocations += other.allocations;
        self.frees += other.frees;
        self.allocated_bytes += other.allocated_bytes;
        self.freed_bytes += other.freed_bytes;
    }
}

#[derive(Debug)]
pub struct Heap {
    pub process: u32,
    pub parent: u32,
    pub state: u32,
    pub sample_bytes: u64,
    pub lost: [u64; 3],
    pub counts: Vec<Count>,
    pub nodes: Vec<(u64, u32)>,
    pub modules: Vec<(u32, Module)>,
    pub sites: BTreeMap<u32, (String, String, u32)>,
    pub notes: Vec<String>,
    pub arguments: Vec<String>,
    pub program: String,
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn string(&mut self) -> String {
        let len = self.u32() as usize;
        String::from_utf8(self.take(len).to_vec()).unwrap()
    }
}

impl Heap {
    pub fn read(path: &Path) -> Heap {
        let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // The file is sparse: only what is used is read.
        let part = |offset: u64, len: u64| {
            let mut bytes = vec![0; len as usize];
            file.read_exact_at(&mut bytes, offset).unwrap();
            bytes
        };
        let page = part(0, 4096);
        assert_eq!(&page[..8], b"FFIKHEAP");
        let mut header = Bytes(&page[8..]);
        assert_eq!(header.u32(), 1);
        assert_eq!(header.u32(), 62);
        let (process, parent) = (header.u32(), header.u32());
        let started_ns = header.u64();
        assert!(started_ns > 1 << 60);
        let sample_bytes = header.u64();
        let regions: Vec<_> = (0..3).map(|_| (header.u64(), header.u64())).collect();
        let mut numbers = Bytes(&page[128..]);
        let used: Vec<_> = (0..3).map(|_| numbers.u64()).collect();
        numbers.u64();
        let lost = [numbers.u64(), numbers.u64(), numbers.u64()];
        numbers.u32();
        let state = numbers.u32();
        let mut heap = Heap {
            process,
            parent,
            state,
            sample_bytes,
            lost,
            counts: vec![],
            nodes: vec![],
            modules: vec![],
            sites: BTreeMap::new(),
            notes: vec![],
            arguments: vec![],
            program: String::new(),
        };
        let bytes = part(regions[0].0, used[0] * 16);
        let mut nodes = Bytes(&bytes);
        for number in 0..used[0] {
            let (frame, parent) = (nodes.u64(), nodes.u32());
            nodes.u32();
            assert!(number < 11 || (parent as u64) < number, "node {number}");
            heap.nodes.push((frame, parent));
        }
        let bytes = part(regions[1].0, used[1] * 64);
        let mut counts = Bytes(&bytes);
        for _ in 0..used[1] {
            let count = Count {
                allocations: counts.u64(),
                frees: counts.u64(),
                allocated_bytes: counts.u64(),
                freed_bytes: counts.u64(),
                peak_bytes: counts.u64(),
                ..Count::default()
            };
            let (first, last) = (counts.u32(), counts.u32());
            assert!(count.allocations == 0 || first <= last);
            counts.u32();
            let (node, class) = (counts.u32(), counts.u32());
            counts.u32();
            heap.counts.push(Count { node, class, ..count });
        }
        heap.read_log(Bytes(&part(regions[2].0, used[2])));
        heap
    }

    fn read_log(&mut self, mut log: Bytes) {
        while !log.0.is_empty() {
            let (kind, len) = (log.u32(), log.u32() as usize);
            let mut payload = Bytes(log.take(len));
            log.take((8 - len % 8) % 8);
            match kind {
                1 => {
                    let (node, flags) = (payload.u32(), payload.u32());
                    let (start, end, bias) = (payload.u64(), payload.u64(), payload.u64());
                    let len = payload.u32() as usize;
                    let build_id = payload.take(len).to_vec();
                    let path = payload.string();
                    let has_go = flags & 1 != 0;
                    let module = Module {
                        start,
                        end,
                        bias,
                        has_go,
                        build_id,
                        path,
                    };
                    self.modules.push((node, module));
                }
                2 => {
                    let (number, line, first_line) = (payload.u32(), payload.u32(), payload.u32());
                    assert!(line >= first_line);
                    let (function, file) = (payload.string(), payload.string());
                    self.sites.insert(number, (function, file, line));
                }
                3 => self.notes.push(payload.string()),
                4 => {
                    let all = payload.string();
                    self.arguments = all.split_terminator('\0').map(str::to_owned).collect();
                    self.program = payload.string();
                }
                _ => panic!("a record of kind {kind}"),
            }
            assert!(payload.0.is_empty());
        }
    }

    /// The frames of a stack, leaf first, and why there are no more.
    pub fn frames(&self, node: u32) -> (Vec<(u32, u64)>, u32) {
        let mut frames = vec![];
        let mut at = node;
        while at >= 11 {
            let (frame, parent) = self.nodes[at as usize];
            frames.push((at, frame));
            at = parent;
        }
        (frames, at)
    }

    /// The module of a native frame.
    pub fn module(&self, node: u32, frame: u64) -> Option<&Module> {
        let is_its = |(from, module): &&(u32, Module)| {
            *from <= node && (module.start..module.end).contains(&(frame - 1))
        };
        self.modules.iter().rev().find(is_its).map(|(_, module)| module)
    }

    /// The function and line that a count's stack begins with, by llvm-symbolizer.
    pub fn leaf(&self, count: &Count) -> (String, u32) {
        let (node, frame) = self.frames(count.node).0[0];
        let module = self.module(node, frame).expect("the module of the leaf");
        let address = format!("{:#x}", frame - 1 - module.bias);
        let mut symbolizer = Command::new("llvm-symbolizer-19");
        let said = output_of(symbolizer.args(["--no-inlines", "-e", &module.path, &address]));
        let (function, place) = said.split_once('\n').unwrap();
        let line = place.trim().rsplit(':').nth(1).unwrap();
        (function.to_owned(), line.parse().unwrap())
    }

    /// All that the program itself asked for: its code is the leaf.
    pub fn by(&self, program: &Path, class: u32) -> Count {
        let mut sum = Count::default();
        for count in self
            .counts
            .iter()
            .filter(|count| count.class == class && count.node != 0)
        {
            let (frames, _) = self.frames(count.node);
            let (node, frame) = frames[0];
            if frame >> 62 == 0
                && self
                    .module(node, frame)
                    .is_some_and(|m| Path::new(&m.path) == program)
            {
                sum.add(count);
            }
        }
        sum
    }
}

/// A run under the tracker: the files that it left, by process and number.
pub struct Tracked {
    pub pid: u32,
    pub status: std::process::ExitStatus,
    pub stdout: String,
    pub heaps: BTreeMap<(u32, u32), Heap>,
}

impl Tracked {
    pub fn first(&self) -> &Heap {
        &self.heaps[&(self.pid, 0)]
    }
}

/// Runs a command under the tracker. `further` is preloaded behind it.
pub fn track(command: &mut Command, further: &[&str]) -> Tracked {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("heap-{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let agent = agent().display().to_string();
    let preload = [&[agent.as_str()], further].concat().join(":");
    let child = command
        .env("LD_PRELOAD", preload)
        .env("FFIKIT_HUNT", folder.join("heap"))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let mut heaps = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut parts = name.strip_prefix("heap.").unwrap().split('.');
        let mut part = || parts.next().unwrap().parse().unwrap();
        heaps.insert((part(), part()), Heap::read(&path));
    }
    Tracked {
        pid,
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        heaps,
    }
}

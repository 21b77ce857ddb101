//! A reader of evidence, strict where the agent's own is not.

use super::output_of;
use std::collections::HashMap;
use std::process::Command;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub start: u64,
    pub end: u64,
    pub bias: u64,
    pub has_go: bool,
    pub build_id: Vec<u8>,
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Fault,
    Free,
    Allocation,
    Thread,
    Leak,
}

#[derive(Clone, Debug)]
pub struct ReportStack {
    pub sequence: u32,
    pub role: Role,
    pub thread: u32,
    pub stack: usize,
    pub address: u64,
    pub pc: u64,
    pub kind: String,
}

/// A frame with its name and line; of native frames only the file's last part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub module: String,
    pub function: String,
    pub file: String,
    pub line: u32,
}

#[derive(Default, Debug)]
pub struct Evidence {
    pub process: u32,
    pub modules: Vec<Module>,
    pub sites: Vec<Frame>,
    pub stacks: Vec<(u32, Vec<u64>)>,
    pub reports: Vec<ReportStack>,
    pub notes: Vec<String>,
    pub statistics: Option<[u64; 4]>,
    /// What of the last record was not there.
    pub is_torn: bool,
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

    fn bytes(&mut self) -> &'a [u8] {
        let len = self.u32() as usize;
        self.take(len)
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }
}

impl Evidence {
    pub fn read(bytes: &[u8]) -> Evidence {
        let mut file = Bytes(bytes);
        let mut evidence = Evidence::default();
        assert_eq!(file.take(8), b"FFIKTRC\0");
        assert_eq!((file.u32(), file.u32()), (1, 62), "version and machine");
        evidence.process = file.u32();
        assert_eq!(file.u32(), 0, "flags");
        assert!(file.u64() > 1_700_000_000_000_000_000, "nanoseconds since 1970");
        while !file.0.is_empty() {
            if file.0.len() < 8 {
                evidence.is_torn = true;
                break;
            }
            let (kind, len) = (file.u32(), file.u32() as usize);
            if file.0.len() < len {
                evidence.is_torn = true;
                break;
            }
            evidence.record(kind, Bytes(file.take(len)));
        }
        evidence
    }

    fn record(&mut self, kind: u32, mut record: Bytes) {
        match kind {
            1 => self.modules.push(Module {
                start: record.u64(),
                end: record.u64(),
                bias: record.u64(),
                has_go: record.u32() & 1 != 0,
                build_id: record.bytes().to_vec(),
                path: record.text(),
            }),
            2 => {
                let (function, file) = (record.text(), record.text());
                let (line, first) = (record.u32(), record.u32());
                assert!(
                    first <= line || line == 0,
                    "{function} begins at {first} and is at {line}"
                );
                let module = "python".to_owned();
                self.sites.push(Frame {
                    module,
                    function,
                    file,
                    line,
                });
            }
            3 => {
                let (end, count) = (record.u32(), record.u32());
                let frames: Vec<_> = (0..count).map(|_| record.u64()).collect();
                for frame in frames.iter().filter(|frame| *frame >> 63 != 0) {
                    assert!(
                        ((frame & 0xffff_ffff) as usize) < self.sites.len(),
                        "a site comes before its stacks"
                    );
                }
                self.stacks.push((end, frames));
            }
            4 => {
                let report = ReportStack {
                    sequence: record.u32(),
                    role: [
                        Role::Fault,
                        Role::Free,
                        Role::Allocation,
                        Role::Thread,
                        Role::Leak,
                    ][record.u32() as usize],
                    thread: record.u32(),
                    stack: record.u32() as usize,
                    address: record.u64(),
                    pc: record.u64(),
                    kind: record.text(),
                };
                assert!(
                    report.stack < self.stacks.len(),
                    "a stack comes before its reports"
                );
                self.reports.push(report);
            }
            5 => self.notes.push(record.text()),
            6 => self.statistics = Some([record.u64(), record.u64(), record.u64(), record.u64()]),
            other => panic!("record of kind {other}"),
        }
        assert!(
            record.0.is_empty(),
            "{} bytes more in a record of kind {kind}",
            record.0.len()
        );
    }

    /// The one stack of a role in a report.
    pub fn report(&self, sequence: u32, role: Role) -> &ReportStack {
        let mut found = self
            .reports
            .iter()
            .filter(|report| report.sequence == sequence && report.role == role);
        let report = found
            .next()
            .unwrap_or_else(|| panic!("no {role:?} of report {sequence}: {:?}", self.reports));
        assert!(found.next().is_none(), "two {role:?} of report {sequence}");
        report
    }

    pub fn leak(&self, address: u64) -> &ReportStack {
        let mut found = self
            .reports
            .iter()
            .filter(|report| report.role == Role::Leak && report.address == address);
        let report = found.next().unwrap_or_else(|| panic!("no leak at {address:#x}"));
        assert!(found.next().is_none(), "two leaks at {address:#x}");
        report
    }

    /// The frames of a stack, by llvm-symbolizer; the walk must have come to its end.
    pub fn frames(&self, stack: usize) -> Vec<Frame> {
        let (end, frames) = &self.stacks[stack];
        assert_eq!(*end, 0, "the stack is whole: {:#x?}", self.named(frames));
        self.named(frames)
    }

    pub fn named(&self, frames: &[u64]) -> Vec<Frame> {
        let mut wanted: HashMap<&str, Vec<String>> = HashMap::new();
        let place = |frame: u64| {
            let address = (frame & !(3 << 62)) - (frame >> 62 == 0) as u64;
            let module = self
                .modules
                .iter()
                .rev()
                .find(|module| address >= module.start && address < module.end);
            let module =
                module.unwrap_or_else(|| panic!("{address:#x} is in no module of {:#x?}", self.modules));
            (module.path.as_str(), format!("{:#x}", address - module.bias))
        };
        for frame in frames.iter().filter(|frame| *frame >> 63 == 0) {
            let (path, address) = place(*frame);
            wanted.entry(path).or_default().push(address);
        }
        let mut names = HashMap::new();
        for (path, addresses) in wanted {
            let said = output_of(
                Command::new("llvm-symbolizer-19")
                    .args(["--no-inlines", "--functions=linkage", "-e", path])
                    .args(&addresses),
            );
            let blocks = format!("{said}\n\n");
            for (address, block) in addresses.iter().zip(blocks.split("\n\n")) {
                names.insert((path, address.clone()), block.to_owned());
            }
        }
        let frame = |frame: &u64| {
            if frame >> 63 != 0 {
                return self.sites[(frame & 0xffff_ffff) as usize].clone();
            }
            let (path, address) = place(*frame);
            let block = &names[&(path, address)];
            let (function, position) = block.split_once('\n').unwrap();
            let mut parts = position.rsplitn(3, ':');
            let line = parts.nth(1).unwrap().parse().unwrap();
            let last = |path: &str| path.rsplit('/').next().unwrap().to_owned();
            Frame {
                module: last(path),
                function: function.to_owned(),
                file: last(parts.next().unwrap()),
                line,
            }
        };
        frames.iter().map(frame).collect()
    }

    /// Function and line of the frames that lie in one source file, leaf first.
    pub fn chain(&self, stack: usize, file: &str) -> Vec<(String, u32)> {
        let frames = self.frames(stack);
        let own = frames.into_iter().filter(|frame| frame.file == file);
        own.map(|frame| (frame.function, frame.line)).collect()
    }
}

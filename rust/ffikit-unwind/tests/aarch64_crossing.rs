//! Go's crossings on aarch64, by the code of six releases (data/aarch64-crossings.txt): what is read from
//! the loads behind their calls is compared with what the stores before them, executed here, have left.
#![cfg(target_arch = "aarch64")]

use ffikit_unwind::arch::crossing::*;
use std::collections::BTreeMap;

struct Function {
    entry: u64,
    code: Vec<u8>,
}

impl Function {
    fn words(&self) -> impl Iterator<Item = u32> + '_ {
        self.code
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
    }
}

type Release = BTreeMap<String, Function>;

fn releases() -> BTreeMap<String, Release> {
    let mut releases: BTreeMap<String, Release> = BTreeMap::new();
    let (mut release, mut function) = (String::new(), String::new());
    for line in include_str!("data/aarch64-crossings.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["#", ..] => {}
            ["release", name] => release = name.to_owned(),
            ["function", name, entry] => {
                function = name.to_owned();
                let entry = u64::from_str_radix(entry, 16).unwrap();
                let code = Vec::new();
                releases
                    .entry(release.clone())
                    .or_default()
                    .insert(function.clone(), Function { entry, code });
            }
            _ => {
                let code = words
                    .iter()
                    .flat_map(|word| u32::from_str_radix(word, 16).unwrap().to_le_bytes());
                releases
                    .get_mut(&release)
                    .unwrap()
                    .get_mut(&function)
                    .unwrap()
                    .code
                    .extend(code);
            }
        }
    }
    assert_eq!(releases.len(), 6);
    assert!(releases.values().all(|release| release.len() == 4));
    releases
}

/// Registers and a stack, and the few instructions that put the one on the other.
struct Machine {
    registers: [u64; 32],
    stack: Vec<u64>,
}

const SP: usize = 31;

impl Machine {
    fn new() -> Machine {
        let stack = vec![0xdead_0000; 512];
        let mut registers = std::array::from_fn(|number| 0x1111_0000_0000 + number as u64);
        registers[SP] = stack[400..].as_ptr() as u64;
        registers[28] = registers[SP];
        Machine { registers, stack }
    }

    fn store(&mut self, at: u64, register: usize) {
        let index = (at - self.stack.as_ptr() as u64) / 8;
        self.stack[index as usize] = self.registers[register];
    }

    /// Executes stores to the stack and moves of its pointer; others change nothing that is looked at.
    fn execute(&mut self, code: u32) {
        let (first, base, second) = (
            (code & 31) as usize,
            (code >> 5 & 31) as usize,
            (code >> 10 & 31) as usize,
        );
        let immediate = (code >> 10 & 0xfff) as u64;
        let pair = (((code << 10) as i32 >> 25) * 8) as i64;
        let single = ((code << 11) as i32 >> 23) as i64;
        let sp = self.registers[SP];
        match code {
            // sub x, sp, imm
            _ if code >> 22 == 0b11_0100_0100 && base == SP => self.registers[first] = sp - immediate,
            // stp x, x, [sp, imm]
            _ if code >> 22 == 0b10_1010_0100 && base == SP => {
                self.store(sp.wrapping_add_signed(pair), first);
                self.store(sp.wrapping_add_signed(pair) + 8, second);
            }
            // str x, [sp, imm]
            _ if code >> 22 == 0b11_1110_0100 && base == SP => self.store(sp + 8 * immediate, first),
            // stur x, [sp, imm]
            _ if code >> 21 == 0b111_1100_0000 && code >> 10 & 3 == 0 && base == SP => {
                self.store(sp.wrapping_add_signed(single), first);
            }
            // str x, [sp, imm]!
            _ if code >> 21 == 0b111_1100_0000 && code >> 10 & 3 == 3 && base == SP => {
                self.registers[SP] = sp.wrapping_add_signed(single);
                self.store(self.registers[SP], first);
            }
            _ => {}
        }
    }
}

fn is_call(code: u32) -> bool {
    code >> 26 == 0b100101 || code & 0xffff_fc1f == 0xd63f_0000
}

/// A function that C called is at its last call, and the callee has made its frame.
fn check_leave(release: &Release, name: &str, callee: &str) {
    let function = &release[name];
    let read = |at: u64, into: &mut [u8]| {
        let found = release
            .values()
            .find(|function| (function.entry..function.entry + function.code.len() as u64).contains(&at));
        found.is_some_and(|function| {
            let code = &function.code[(at - function.entry) as usize..];
            let len = code.len().min(into.len());
            into[..len].copy_from_slice(&code[..len]);
            true
        })
    };
    let mut ways = Vec::new();
    for_each_call(&function.code, |end| {
        ways.extend(Leave::compile(&function.code, end, function.entry, read).map(|leave| (end, leave)));
    });
    let [(end, leave)] = ways[..] else {
        panic!("{name}: {ways:?}");
    };
    assert!(is_call(function.words().nth(end / 4 - 1).unwrap()));

    let mut machine = Machine::new();
    let caller = machine.registers;
    function
        .words()
        .take(end / 4)
        .for_each(|code| machine.execute(code));
    machine.registers[30] = function.entry + end as u64;
    machine.registers[19..29].fill(0xbad);
    release[callee]
        .words()
        .take(3)
        .for_each(|code| machine.execute(code));
    let fp = machine.registers[29];
    assert_eq!(
        leave.apply(fp),
        Some(Caller {
            pc: caller[30],
            sp: caller[SP],
            fp: caller[29],
            callee_saved: caller[19..29].try_into().unwrap(),
        })
    );
    // As a Go function's frame is linked: the return address is above the caller's frame pointer.
    let above = (fp as usize - machine.stack.as_ptr() as usize) / 8 + 1;
    assert_eq!(machine.stack[above], function.entry + end as u64);
}

#[test]
fn the_way_out_of_crosscall2_and_sigtramp() {
    for release in releases().values() {
        check_leave(release, "crosscall2", "runtime.cgocallback.abi0");
        // Another callee does here: the way out of a function with a frame does not depend on it.
        check_leave(release, "runtime.sigtramp.abi0", "runtime.asmcgocall.abi0");
        check_leave(release, "runtime.sigtramp.abi0", "runtime.cgocallback.abi0");
    }
}

#[test]
fn where_asmcgocall_finds_the_goroutine() {
    for (name, release) in releases() {
        let code = &release["runtime.asmcgocall.abi0"].code;
        let mut found = Vec::new();
        for_each_call(code, |end| {
            if let Some(way) = Return::compile(&code[end..]) {
                let call = u32::from_le_bytes(code[end - 4..end].try_into().unwrap());
                found.push((way, call & 0xffff_fc1f == 0xd63f_0000));
            }
        });
        let goroutine = Return::Goroutine {
            g: 0,
            high: 8,
            depth: 8,
        };
        let expected = [(goroutine, true), (Return::SystemStack { frame: 8 }, true)];
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn frames_of_go_functions() {
    for release in releases().values() {
        for (name, bytes) in [
            ("runtime.asmcgocall.abi0", 16),
            ("runtime.cgocallback.abi0", 48),
            ("runtime.sigtramp.abi0", 192),
        ] {
            let code = &release[name].code;
            let above = stack_pointer_above(0x10000, |into| {
                let len = into.len();
                into.copy_from_slice(&code[..len]);
                true
            });
            assert_eq!(above, Some(0x10008 + bytes), "{name}");
        }
    }
    assert_eq!(stack_pointer_above(0x10000, |_| false), None);
    assert_eq!(
        stack_pointer_above(0x10000, |code| {
            code.fill(0);
            true
        }),
        None
    );
    // On a system stack asmcgocall overwrites what it saved of x29 by its stack pointer.
    assert_eq!(caller_frame(0x1000, 0x1008), 0x1010);
    assert_eq!(caller_frame(0x1000, 0x2000), 0x2000);
}

/// Any other code is refused, or gives something; nothing panics.
#[test]
fn damaged_code() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut refused = 0;
    for release in releases().values() {
        for function in release.values() {
            for _ in 0..500 {
                let mut code = function.code.clone();
                for _ in 0..=next() % 3 {
                    let at = next() as usize % code.len();
                    code[at] = next() as u8;
                }
                code.truncate(code.len() - next() as usize % 9);
                for_each_call(&code, |end| {
                    let read = |_: u64, into: &mut [u8]| {
                        into.copy_from_slice(&function.code[..into.len()]);
                        true
                    };
                    refused += Leave::compile(&code, end, function.entry, read).is_none() as u32;
                    refused += Return::compile(&code[end..]).is_none() as u32;
                });
            }
        }
    }
    assert!(refused > 0);
}

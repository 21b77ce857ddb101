//! An interpreter that is made up in memory, so that it can be broken in any way:
//! whatever the bytes are, nothing faults, hangs or panics.

extern crate std;

use super::layout::{self, Layout, Runs, LAYOUT_3_11, LAYOUT_3_12};
use super::{describe, site, this_thread, Interpreter, Reason, Refusal};
use crate::module::Module;
use std::boxed::Box;
use std::cell::Cell;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

std::thread_local! {
    static THREAD_STATE: Cell<u64> = const { Cell::new(0) };
}

extern "C" fn thread_state() -> u64 {
    THREAD_STATE.get()
}

/// 3.13 and later tell their layout; this is 3.14's, and 3.15's in how the chain ends.
fn layout_of(runs: Runs) -> Layout {
    match runs {
        Runs::MarkedEntry => LAYOUT_3_11,
        Runs::FrameOnStack => LAYOUT_3_12,
        _ => Layout {
            runs,
            thread_current: 72,
            frame_owner: 74,
            code_first_traceable: 192,
            code_instructions: 208,
            ..LAYOUT_3_12
        },
    }
}

const ALL: [Runs; 4] = [
    Runs::MarkedEntry,
    Runs::FrameOnStack,
    Runs::OneChain,
    Runs::BasedChain,
];

/// Blocks of memory that lie in one arena, which an unreadable page ends.
struct World {
    arena: u64,
    used: u64,
    interpreter: &'static Interpreter,
}

const ARENA_BYTES: u64 = 64 << 10;
const PAGE_BYTES: u64 = 4096;
/// Stand for the types; nothing is read there.
const CODE_TYPE: u64 = 0x1000;
const TEXT_TYPE: u64 = 0x2000;
const BYTES_TYPE: u64 = 0x3000;

impl World {
    fn new(runs: Runs) -> World {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let len = (ARENA_BYTES + PAGE_BYTES) as usize;
        // SAFETY: a new mapping, of which the last page is taken back; it is never unmapped,
        // so that pages that were found readable stay so.
        let arena = unsafe {
            let arena = libc::mmap(std::ptr::null_mut(), len, access, flags, -1, 0);
            assert_ne!(arena, libc::MAP_FAILED);
            assert_eq!(
                libc::mprotect(
                    arena.byte_add(ARENA_BYTES as usize),
                    PAGE_BYTES as usize,
                    libc::PROT_NONE
                ),
                0
            );
            arena as u64
        };
        let interpreter = Interpreter {
            version_hex: 0,
            layout: layout_of(runs),
            runtime: arena,
            this_thread_state: thread_state as *const () as u64,
            code_type: CODE_TYPE,
            text_type: TEXT_TYPE,
            bytes_type: BYTES_TYPE,
            module: Module {
                start: 0,
                end: 0,
                bias: 0,
                eh_frame_hdr: 0,
                link_map: 0,
            },
        };
        World {
            arena,
            // _PyRuntime.
            used: 1024,
            interpreter: Box::leak(Box::new(interpreter)),
        }
    }

    fn layout(&self) -> &'static Layout {
        self.interpreter.layout()
    }

    fn block(&mut self, len_bytes: u64) -> u64 {
        let at = self.arena + self.used;
        self.used += len_bytes.next_multiple_of(16);
        assert!(self.used <= ARENA_BYTES);
        at
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the arena is ours, mapped and written only through this.
        unsafe { std::slice::from_raw_parts_mut(self.arena as *mut u8, ARENA_BYTES as usize) }
    }

    fn set(&mut self, at: u64, value: &[u8]) {
        let offset = (at - self.arena) as usize;
        self.bytes()[offset..offset + value.len()].copy_from_slice(value);
    }

    fn set_word(&mut self, at: u64, value: u64) {
        self.set(at, &value.to_le_bytes());
    }

    fn object(&mut self, of_type: u64, len_bytes: u64) -> u64 {
        let object = self.block(len_bytes);
        self.set_word(object + layout::OBJECT_REFERENCES, 1);
        self.set_word(object + layout::OBJECT_TYPE, of_type);
        object
    }

    fn text(&mut self, width: u64, units: &[u32]) -> u64 {
        let is_ascii = width == 1 && units.iter().all(|unit| *unit < 128);
        let data = if is_ascii {
            self.layout().text_ascii_data
        } else {
            self.layout().text_data
        };
        let text = self.object(TEXT_TYPE, data + width * units.len() as u64);
        self.set_word(text + layout::TEXT_LENGTH, units.len() as u64);
        let state = (width as u32) << 2 | layout::TEXT_STATE_COMPACT | (is_ascii as u32) << 6;
        self.set(text + layout::TEXT_STATE, &state.to_le_bytes());
        for (index, unit) in units.iter().enumerate() {
            let at = text + data + width * index as u64;
            self.set(at, &unit.to_le_bytes()[..width as usize]);
        }
        text
    }

    fn code(&mut self, qualname: u64, file: u64, lines: &[u8]) -> u64 {
        let layout = self.layout();
        let table = self.object(BYTES_TYPE, layout::BYTES_DATA + lines.len() as u64);
        self.set_word(table + layout::OBJECT_SIZE, lines.len() as u64);
        self.set(table + layout::BYTES_DATA, lines);
        let code = self.object(CODE_TYPE, layout.code_instructions + 64);
        self.set_word(code + layout.code_qualname, qualname);
        self.set_word(code + layout.code_file, file);
        self.set_word(code + layout.code_line_table, table);
        self.set(code + layout.code_first_line, &10u32.to_le_bytes());
        code
    }

    /// A frame that executes the instruction at `offset` of `code`, called by `previous`.
    fn frame(&mut self, code: u64, offset: u64, previous: u64, owner: u8) -> u64 {
        let layout = self.layout();
        let frame = self.block(96);
        self.set_word(frame + layout.frame_code, code);
        self.set_word(
            frame + layout.frame_instruction,
            code + layout.code_instructions + offset,
        );
        self.set_word(frame + layout.frame_previous, previous);
        self.set(frame + layout.frame_owner, &[owner]);
        frame
    }

    /// A thread with `activations` of the interpreter loop, each of which runs `frames` frames.
    fn thread(&mut self, activations: usize, frames: usize) -> u64 {
        let layout = self.layout();
        let qualname = self.text(1, &"outer".bytes().map(u32::from).collect::<Vec<_>>());
        let file = self.text(2, &[0x444, 0x43b, 0xd800, 0x44f]);
        // Two units on line 10, one that has none, long form +300, and no columns −5.
        let code = self.code(
            qualname,
            file,
            &[0x81, 0x05, 0xf8, 0xf0, 0b101_1000, 0b1001, 1, 1, 1, 0xe8, 0b1011],
        );
        let thread = self.block(256);
        let is_chain = matches!(layout.runs, Runs::OneChain | Runs::BasedChain);
        let mut previous = 0;
        if layout.runs == Runs::BasedChain {
            previous = self.frame(code, 0, 0, layout::OWNED_BY_STACK);
        }
        let mut previous_c = self.block(32);
        for _ in 0..activations {
            let entry = self.block(32);
            if layout.runs != Runs::MarkedEntry {
                previous = self.frame(code, 0, previous, layout::OWNED_BY_STACK);
            }
            for index in 0..frames {
                previous = self.frame(code, 2 * index as u64, previous, (index % 2) as u8);
                if layout.runs == Runs::MarkedEntry && index == 0 {
                    self.set(previous + layout.frame_is_entry, &[1]);
                }
            }
            self.set_word(entry + layout.cframe_current_frame, previous);
            self.set_word(entry + layout.cframe_previous, previous_c);
            previous_c = entry;
        }
        self.set_word(
            thread + layout.thread_current,
            if is_chain { previous } else { previous_c },
        );
        THREAD_STATE.set(thread);
        thread
    }

    /// Everything that can be asked about this thread; the shape of the runs, and the descriptions.
    fn ask(&self) -> (Vec<usize>, Vec<String>) {
        let mut shape = Vec::new();
        let mut names = Vec::new();
        let Some(mut frames) = this_thread(self.interpreter) else {
            return (shape, names);
        };
        while frames.entry() != u64::MAX && shape.len() < 100 {
            let before = names.len();
            frames.take_run(|frame| {
                let mut buffer = [0; 64];
                let site = site(self.interpreter, frame);
                let told = site.and_then(|site| {
                    let told = describe(self.interpreter, &site, &mut buffer)?;
                    Some(format!("{} {} {}", told.function, told.file, told.line))
                });
                names.push(told.unwrap_or_default());
                names.len() < 200
            });
            shape.push(names.len() - before);
        }
        (shape, names)
    }
}

#[test]
fn a_made_up_interpreter_is_read() {
    for runs in ALL {
        let mut world = World::new(runs);
        world.thread(3, 5);
        let (shape, names) = world.ask();
        assert_eq!(shape, [5, 5, 5], "{runs:?}");
        let lines = ["305", "310", "0", "10", "10"];
        for (name, line) in names.iter().zip(lines.iter().cycle()) {
            assert_eq!(
                *name,
                format!("outer \u{444}\u{43b}\u{fffd}\u{44f} {line}"),
                "{runs:?}"
            );
        }
    }
}

#[test]
fn a_thread_without_python_has_no_frames() {
    for runs in ALL {
        let mut world = World::new(runs);
        THREAD_STATE.set(0);
        assert!(this_thread(world.interpreter).is_none());
        world.thread(0, 0);
        assert_eq!(world.ask(), (vec![], vec![]), "{runs:?}");
    }
}

#[test]
fn names_are_cut_between_characters() {
    let mut world = World::new(Runs::OneChain);
    let name = world.text(4, &[0x1d523, 0x1d52c, 0x1d52f]);
    let file = world.text(1, &[0xe9, 0xe8, 0xe7]);
    let code = world.code(name, file, &[0x87, 0x00]);
    let frame = world.frame(code, 0, 0, 0);
    let site = site(world.interpreter, frame).unwrap();
    for len in 0..40 {
        let mut buffer = vec![0; len];
        let told = describe(world.interpreter, &site, &mut buffer).unwrap();
        let function = "\u{1d523}\u{1d52c}\u{1d52f}";
        let file = "\u{e9}\u{e8}\u{e7}";
        assert_eq!(told.function, &function[..(len / 2 / 4 * 4).min(12)], "{len}");
        assert_eq!(
            told.file,
            &file[..((len - told.function.len()) / 2 * 2).min(6)],
            "{len}"
        );
    }
}

#[test]
fn dead_and_foreign_objects_have_no_names() {
    let mut world = World::new(Runs::OneChain);
    let name = world.text(1, &[65]);
    let code = world.code(name, name, &[0x87, 0x00]);
    let frame = world.frame(code, 0, 0, 0);
    let alive = site(world.interpreter, frame).unwrap();
    let mut buffer = [0; 64];
    assert!(describe(world.interpreter, &alive, &mut buffer).is_some());
    world.set_word(code + layout::OBJECT_REFERENCES, 0);
    assert_eq!(site(world.interpreter, frame), None);
    assert_eq!(describe(world.interpreter, &alive, &mut buffer), None);
    world.set_word(code + layout::OBJECT_REFERENCES, 1);
    world.set_word(code + layout::OBJECT_TYPE, TEXT_TYPE);
    assert_eq!(site(world.interpreter, frame), None);
    world.set_word(code + layout::OBJECT_TYPE, CODE_TYPE);
    world.set_word(name + layout::OBJECT_TYPE, CODE_TYPE);
    assert_eq!(describe(world.interpreter, &alive, &mut buffer), None);
}

#[test]
fn versions_are_refused_by_name() {
    let refused = |version_hex| layout::of(version_hex, 0).err();
    assert_eq!(refused(0x030a_0ef0), Some(Reason::Older));
    assert_eq!(refused(0x0310_00f0), Some(Reason::Newer));
    assert_eq!(refused(0x0400_00f0), Some(Reason::Newer));
    assert_eq!(refused(0x030b_00a7), Some(Reason::Prerelease));
    assert_eq!(refused(0x030e_00b1), Some(Reason::Prerelease));
    assert_eq!(refused(0x030b_00c1), None);
    assert_eq!(refused(0x030d_00f0), Some(Reason::Unreadable));
    let shown = |version_hex, reason| format!("{}", Refusal { version_hex, reason });
    assert_eq!(
        shown(0x0310_02f0, Reason::Newer),
        "CPython 3.16.2 is a version that is not known: native frames only"
    );
    assert_eq!(
        shown(0, Reason::Older),
        "CPython is older than 3.11: native frames only"
    );
}

#[test]
fn layouts_can_be_read_without_a_look_at_each_offset() {
    for runs in ALL {
        assert!(layout_of(runs).is_sound(), "{runs:?}");
    }
    let sound = layout_of(Runs::OneChain);
    let broken = [
        Layout {
            frame_code: 76,
            ..sound
        },
        Layout {
            frame_owner: 80,
            ..sound
        },
        Layout {
            frame_bytes: 5000,
            ..sound
        },
        Layout {
            code_file: sound.code_instructions,
            ..sound
        },
        Layout {
            code_first_line: 70,
            ..sound
        },
        Layout {
            code_instructions: 5000,
            ..sound
        },
    ];
    for (index, layout) in broken.iter().enumerate() {
        assert!(!layout.is_sound(), "{index}");
    }
}

/// `_Py_DebugOffsets` is the interpreter's word, and may be anything.
#[test]
fn what_an_interpreter_says_of_itself_is_checked() {
    let version_hex = 0x030d_05f0;
    let mut words = [0u64; 128];
    words[0] = u64::from_le_bytes(*b"xdebugpy");
    words[1] = version_hex as u64;
    let ask = |words: &[u64; 128]| layout::of(version_hex, words.as_ptr() as u64);
    // All zero is no layout.
    assert_eq!(ask(&words), Err(Reason::Unexpected));
    words[2] = 1;
    assert_eq!(ask(&words), Err(Reason::FreeThreaded));
    words[1] += 0x10000;
    assert_eq!(ask(&words), Err(Reason::Unexpected));
    words[1] = version_hex as u64;
    words[0] = 0;
    assert_eq!(ask(&words), Err(Reason::Unexpected));
    words[0] = u64::from_le_bytes(*b"xdebugpy");
    words[2] = 0;
    let mut random = Random(7);
    for _ in 0..10_000 {
        for word in &mut words[3..] {
            *word = match random.below(4) {
                0 => u64::MAX - random.below(16),
                _ => random.below(300),
            };
        }
        let _ = ask(&words);
    }
}

#[test]
fn loops_end() {
    for runs in ALL {
        let mut world = World::new(runs);
        let thread = world.thread(2, 3);
        let layout = world.layout();
        let current = crate::memory::copy_u64(thread + layout.thread_current).unwrap();
        // The leaf, or its C frame, calls itself.
        let link = match runs {
            Runs::MarkedEntry | Runs::FrameOnStack => layout.cframe_previous,
            _ => layout.frame_previous,
        };
        world.set_word(current + link, current);
        let (shape, _) = world.ask();
        assert!(shape.len() <= 100, "{runs:?}");
    }
}

/// xorshift64*: the same bytes in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

#[test]
fn broken_memory_is_survived() {
    let mut random = Random(0x9e37_79b9);
    for runs in ALL {
        let mut world = World::new(runs);
        world.thread(4, 6);
        let used = world.used;
        let whole = world.bytes()[..used as usize].to_vec();
        let mut differing = 0;
        let sound = world.ask();
        for _ in 0..1000 {
            let arena = world.arena;
            for _ in 0..1 + random.below(6) {
                let at = arena + random.below(used / 8) * 8;
                let value = match random.below(6) {
                    // Somewhere in the arena, its unreadable end included, aligned or not.
                    0 | 1 => arena + random.below((ARENA_BYTES + PAGE_BYTES) / 8) * 8,
                    2 => arena + random.below(ARENA_BYTES + PAGE_BYTES),
                    3 => u64::MAX - random.below(4096),
                    4 => random.below(1 << 16),
                    _ => random.below(1 << 31) << 33 | random.below(1 << 31),
                };
                if random.below(3) == 0 {
                    world.set(at + random.below(8), &[value as u8]);
                } else {
                    world.set_word(at, value);
                }
            }
            differing += (world.ask() != sound) as u32;
            world.bytes()[..used as usize].copy_from_slice(&whole);
        }
        assert_eq!(world.ask(), sound, "{runs:?}");
        // Breaking it does break something: it is these bytes that were read.
        assert!(differing > 100, "{runs:?}: {differing}");
    }
}

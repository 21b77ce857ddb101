//! Names and lines of what a frame executes, read from the code object without
//! CPython's help: its functions would allocate, and may only be called with the
//! GIL. The table of lines is decoded as Objects/locations.md describes it.

use super::layout::{self, Layout};
use super::{mix, word, Interpreter, Object};
use crate::memory::{copy, copy_u32, copy_u64, load_u32};

/// What a frame is executing: code object and instruction. Equal sites have equal
/// names and lines.
///
/// Code objects die and their addresses are used again, so a site also keeps a
/// hash of what tells one code object from the next: the version that CPython 3.12
/// and later numbers them with, where its name, file and lines are, and (for 3.11)
/// their contents.
#[derive(PartialEq, Eq, Clone, Copy, Hash, Debug)]
pub struct Site {
    code: u64,
    identity: u64,
    /// Of the instruction, in bytes from the first one.
    offset: i32,
    first_line: u32,
}

impl Site {
    /// Where the function begins, `co_firstlineno`.
    pub const fn first_line(&self) -> u32 {
        self.first_line
    }
}

/// A site's names.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub struct Description<'a> {
    /// The qualified name of the function: `Shape.area`, `outer.<locals>.inner`, `<module>`.
    pub function: &'a str,
    /// The file, as the code object names it.
    pub file: &'a str,
    /// The line; 0: the instruction has none.
    pub line: u32,
}

/// What the frame (address of a `_PyInterpreterFrame`, just handed out by
/// [`Frames::take_run`](super::Frames::take_run)) executes. None: its code object
/// is being destroyed, or the frame is none.
pub fn site(interpreter: &Interpreter, frame: u64) -> Option<Site> {
    let layout = &interpreter.layout;
    let frame = interpreter.frame(frame)?;
    let code = interpreter.code_of(frame)?;
    if code.half(layout::OBJECT_REFERENCES) == 0 {
        return None;
    }
    let first = code.address.wrapping_add(layout.code_instructions);
    let instruction = frame.word(layout.frame_instruction);
    Some(Site {
        code: code.address,
        identity: identity(layout, code)?,
        // Far off is unknown, and stays far off.
        offset: i32::try_from(instruction.wrapping_sub(first) as i64).unwrap_or(i32::MAX),
        first_line: code.half(layout.code_first_line),
    })
}

/// Code object and instruction of a frame, as [`site`] but without what tells one code object
/// from the next at its address: for who knows when code objects die.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub struct Place {
    /// The address of the code object.
    pub code: u64,
    /// The address of the instruction.
    pub instruction: u64,
}

/// Where a frame is, as [`site`] takes it.
#[inline]
pub fn place(interpreter: &Interpreter, frame: u64) -> Option<Place> {
    let frame = interpreter.frame(frame)?;
    Some(Place {
        code: interpreter.code_of(frame)?.address,
        instruction: frame.word(interpreter.layout.frame_instruction),
    })
}

/// How much of a table of lines, or of a text, is looked at: all of it, but for a
/// module of some thousand lines.
const SAMPLE_BYTES: u64 = 4096;

#[inline(always)]
fn identity(layout: &Layout, code: Object) -> Option<u64> {
    let qualname = code.word(layout.code_qualname);
    let file = code.word(layout.code_file);
    let lines = code.word(layout.code_line_table);
    let places = mix(mix(mix(1, qualname), file), lines);
    if layout.code_version != 0 {
        let version = code.half(layout.code_version);
        // 0: more code objects were made than there are numbers.
        if version != 0 {
            return Some(mix(places, version as u64));
        }
    }
    identity_by_contents(layout, places, [qualname, file, lines])
}

#[inline(never)]
fn identity_by_contents(layout: &Layout, places: u64, [qualname, file, lines]: [u64; 3]) -> Option<u64> {
    let lines_len = word(lines, layout::OBJECT_SIZE)?;
    let hash = sample(places, lines.wrapping_add(layout::BYTES_DATA), lines_len)?;
    let hash = sample_text(layout, hash, qualname)?;
    sample_text(layout, hash, file)
}

fn sample_text(layout: &Layout, hash: u64, text: u64) -> Option<u64> {
    let length = word(text, layout::TEXT_LENGTH)?;
    let state = load_u32(text.wrapping_add(layout::TEXT_STATE))?;
    let data = if state & layout::TEXT_STATE_ASCII != 0 {
        layout.text_ascii_data
    } else {
        layout.text_data
    };
    let width = (state & layout::TEXT_STATE_KIND) as u64 >> 2;
    sample(hash, text.wrapping_add(data), length.wrapping_mul(width))
}

/// Mixes the length and the beginning of a block into `hash`.
fn sample(hash: u64, start: u64, len_bytes: u64) -> Option<u64> {
    let mut hash = mix(hash, len_bytes);
    let taken = len_bytes.min(SAMPLE_BYTES);
    if taken == 0 {
        return Some(hash);
    }
    // The last word may go beyond the block, but not beyond its page.
    let block = Object::at(start, taken.next_multiple_of(8))?;
    for offset in (0..taken / 8 * 8).step_by(8) {
        hash = mix(hash, block.word(offset));
    }
    let rest_bits = 8 * (taken % 8);
    if rest_bits != 0 {
        hash = mix(hash, block.word(taken / 8 * 8) & ((1 << rest_bits) - 1));
    }
    Some(hash)
}

/// Qualified name, file and current line of a site whose code object is alive now,
/// that is, in the hook that [`site`] was asked in. The two names share the buffer,
/// which cuts long ones between two characters; a character that is none (a lone
/// surrogate, as undecodable file names have) becomes U+FFFD. None: the code object
/// is gone or its strings are not what they should be.
pub fn describe<'b>(interpreter: &Interpreter, site: &Site, buffer: &'b mut [u8]) -> Option<Description<'b>> {
    let layout = &interpreter.layout;
    let code = site.code;
    let field = |offset: u64| copy_u64(code.wrapping_add(offset));
    let is_alive = field(layout::OBJECT_TYPE)? == interpreter.code_type
        && copy_u32(code.wrapping_add(layout::OBJECT_REFERENCES))? != 0
        && identity(layout, Object::at(code, layout.code_instructions)?) == Some(site.identity);
    if !is_alive {
        return None;
    }
    let half = buffer.len() / 2;
    let function_len = write_text(interpreter, field(layout.code_qualname)?, &mut buffer[..half])?;
    let (function, rest) = buffer.split_at_mut(function_len);
    let file_len = write_text(interpreter, field(layout.code_file)?, rest)?;
    Some(Description {
        function: core::str::from_utf8(function).ok()?,
        file: core::str::from_utf8(&rest[..file_len]).ok()?,
        line: line(interpreter, site, field(layout.code_line_table)?).unwrap_or(0),
    })
}

/// Writes a str object as UTF-8, as much as there is room for; gives the length.
fn write_text(interpreter: &Interpreter, text: u64, into: &mut [u8]) -> Option<usize> {
    if copy_u64(text.wrapping_add(layout::OBJECT_TYPE))? != interpreter.text_type {
        return None;
    }
    let length = copy_u64(text.wrapping_add(layout::TEXT_LENGTH))?;
    let state = copy_u32(text.wrapping_add(layout::TEXT_STATE))?;
    if state & layout::TEXT_STATE_COMPACT == 0 {
        // Only subclasses and, in 3.11, the deprecated API make such strings; the compiler does not.
        return None;
    }
    let is_ascii = state & layout::TEXT_STATE_ASCII != 0;
    let offset = if is_ascii {
        interpreter.layout.text_ascii_data
    } else {
        interpreter.layout.text_data
    };
    let width = match (state & layout::TEXT_STATE_KIND) >> 2 {
        width @ (1 | 2 | 4) => width as usize,
        _ => return None,
    };
    let data = text.wrapping_add(offset);
    let mut chunk = [0; 256];
    let mut written = 0;
    let mut taken = 0;
    while taken < length {
        let count = (length - taken).min((chunk.len() / width) as u64);
        let bytes = &mut chunk[..count as usize * width];
        if !copy(data.wrapping_add(taken.wrapping_mul(width as u64)), bytes) {
            return None;
        }
        for unit in bytes.chunks_exact(width) {
            let mut number = [0; 4];
            number[..width].copy_from_slice(unit);
            let character = char::from_u32(u32::from_le_bytes(number)).unwrap_or(char::REPLACEMENT_CHARACTER);
            let Some(room) = into.get_mut(written..written + character.len_utf8()) else {
                return Some(written);
            };
            written += character.encode_utf8(room).len();
        }
        taken += count;
    }
    Some(written)
}

/// The line of a site, by its code object's table. None: it has none, or the table is none.
fn line(interpreter: &Interpreter, site: &Site, table: u64) -> Option<u32> {
    if copy_u64(table.wrapping_add(layout::OBJECT_TYPE))? != interpreter.bytes_type {
        return None;
    }
    if site.offset < 0 {
        // Before its first instruction: as PyCode_Addr2Line.
        return Some(site.first_line);
    }
    let len_bytes = copy_u64(table.wrapping_add(layout::OBJECT_SIZE))?;
    let mut entries = Entries::new(table.wrapping_add(layout::BYTES_DATA), len_bytes);
    // Instructions are counted in units of two bytes.
    let mut units_left = site.offset as u32 / 2;
    let mut line = site.first_line;
    loop {
        let entry = entries.next()?;
        line = line.wrapping_add_signed(entry.line_delta);
        if units_left < entry.units {
            return entry.has_line.then_some(line);
        }
        units_left -= entry.units;
    }
}

/// An entry of the table of lines.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// How many units of code it is for.
    units: u32,
    /// Its line less that of the entry before.
    line_delta: i32,
    has_line: bool,
}

/// The entries of a table of lines, read in pieces.
struct Entries {
    at: u64,
    left: u64,
    piece: [u8; Entries::PIECE_BYTES],
    piece_at: usize,
    piece_len: usize,
    /// The first byte of the next entry, once it was read.
    ahead: Option<u8>,
}

impl Entries {
    const PIECE_BYTES: usize = 512;
    /// No table is read further: the largest modules there are have some 100 KB.
    const TABLE_BYTES_MAX: u64 = 16 << 20;

    fn new(at: u64, len_bytes: u64) -> Entries {
        let left = len_bytes.min(Entries::TABLE_BYTES_MAX);
        Entries {
            at,
            left,
            piece: [0; Entries::PIECE_BYTES],
            piece_at: 0,
            piece_len: 0,
            ahead: None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        if self.piece_at == self.piece_len {
            let len = self.left.min(Entries::PIECE_BYTES as u64);
            if len == 0 || !copy(self.at, &mut self.piece[..len as usize]) {
                return None;
            }
            self.at = self.at.wrapping_add(len);
            self.left -= len;
            self.piece_at = 0;
            self.piece_len = len as usize;
        }
        self.piece_at += 1;
        Some(self.piece[self.piece_at - 1])
    }

    /// Only the first byte of an entry has the top bit.
    fn next(&mut self) -> Option<Entry> {
        let first = match self.ahead.take() {
            Some(first) => first,
            None => self.byte()?,
        };
        if first & 0x80 == 0 {
            return None;
        }
        let code = first >> 3 & 15;
        let line_delta = match code {
            10..=12 => code as i32 - 10,
            13 | 14 => self.signed_number()?,
            _ => 0,
        };
        while self.ahead.is_none() {
            match self.byte() {
                Some(byte) if byte & 0x80 != 0 => self.ahead = Some(byte),
                Some(_) => {}
                None => break,
            }
        }
        Some(Entry {
            units: (first as u32 & 7) + 1,
            line_delta,
            has_line: code != 15,
        })
    }

    /// Six bits a byte, the lowest first, bit 6 says that more follow; the lowest bit of all is the sign.
    fn signed_number(&mut self) -> Option<i32> {
        let mut number = 0u32;
        for shift in (0..32).step_by(6) {
            let byte = self.byte()?;
            if byte & 0x80 != 0 {
                return None;
            }
            number |= (byte as u32 & 63) << shift;
            if byte & 64 == 0 {
                let magnitude = (number >> 1) as i32;
                return Some(if number & 1 != 0 { -magnitude } else { magnitude });
            }
        }
        None
    }
}

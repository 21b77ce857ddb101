//! Go's own tables, read in memory: which function, file and line an address
//! lies in, and which calls were inlined there. The runtime needs them (for
//! panics and the garbage collector), so no stripping removes them.
//!
//! Layouts: `pcHeader`, `moduledata`, `_func` in runtime/symtab.go, `inlinedCall`
//! in runtime/symtabinl.go, the same in Go 1.20 to 1.26. Everything is read by
//! the kernel ([`memory::copy`](crate::memory::copy)) and bounded by the slices
//! that moduledata has: corrupt tables give no answer, and nothing worse.

pub(crate) mod find;

use crate::memory::copy;

/// Bytes of memory, `[start, start + len_bytes)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    start: u64,
    len_bytes: u64,
}

impl Table {
    const EMPTY: Table = Table {
        start: 0,
        len_bytes: 0,
    };

    fn at(&self, offset: u64, len_bytes: u64) -> Option<u64> {
        (offset.checked_add(len_bytes)? <= self.len_bytes).then_some(self.start.wrapping_add(offset))
    }
}

/// The tables of one Go module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pclntab {
    /// `runtime.text`, where offsets of functions count from.
    pub text_start: u64,
    /// `runtime.etext`.
    pub text_end: u64,
    /// How many functions it describes.
    pub functions_count: u32,
    /// Code addresses are multiples of this: 1 on x86-64, 4 on aarch64.
    quantum: u32,
    names: Table,
    units: Table,
    files: Table,
    steps: Table,
    functions: Table,
    inline_trees: Table,
}

/// A function's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Where it starts.
    pub entry: u64,
    /// Where the next one starts.
    pub end: u64,
    /// Its `_func`, as an offset into the table of functions.
    record: u64,
}

/// One logical call at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Go's full name, such as `main.(*T).Method`; cut off at [`NAME_BYTES`].
    pub function: &'a [u8],
    /// The source file as the compiler saw it, or "" where it has none.
    pub file: &'a [u8],
    /// Its line, 0 where it has none.
    pub line: u32,
    /// Whether the compiler dissolved it into its caller.
    pub inlined: bool,
}

/// How much of a name or of a file's path is given.
pub const NAME_BYTES: usize = 1024;

/// `_func`: the fixed part is 44 bytes, then npcdata and nfuncdata 32-bit offsets.
const FUNC_BYTES: u64 = 44;
const NAME_OFFSET: u64 = 4;
const PCSP: u64 = 16;
const PCFILE: u64 = 20;
const PCLN: u64 = 24;
const PCDATA_COUNT: u64 = 28;
const UNIT_OFFSET: u64 = 32;
/// nfuncdata is the last byte of this word.
const FUNCDATA_COUNT: u64 = 40;
/// `inlinedCall`.
const INLINED_CALL_BYTES: u64 = 16;
/// PCDATA_InlTreeIndex and FUNCDATA_InlTree of internal/abi/symtab.go.
const PCDATA_INLINE_INDEX: u32 = 2;
const FUNCDATA_INLINE_TREE: u32 = 3;
/// How much of a name is compared when functions are looked for.
const SHORT_NAME_BYTES: usize = 64;
/// No function has so many changes of a value; a corrupt table is left here.
const MAX_STEPS: usize = 1 << 20;
/// No function has calls inlined so deep.
const MAX_INLINED: usize = 256;

impl Pclntab {
    pub(crate) const NOTHING: Pclntab = Pclntab {
        text_start: 0,
        text_end: 0,
        functions_count: 0,
        quantum: 1,
        names: Table::EMPTY,
        units: Table::EMPTY,
        files: Table::EMPTY,
        steps: Table::EMPTY,
        functions: Table::EMPTY,
        inline_trees: Table::EMPTY,
    };

    /// Calls `each` with every function, its name, and whether it has a source file,
    /// in the order of their addresses. None: the tables are corrupt.
    pub(crate) fn for_each_function(&self, mut each: impl FnMut(&Function, &[u8], bool)) -> Option<()> {
        // Entries, functions and names follow each other in memory, so each has a window of its own.
        let (mut entries, mut records) = (Window::<256>::new(), Window::<512>::new());
        let mut names = Window::<256>::new();
        for index in 0..self.functions_count {
            let function = self.function(index, &mut entries)?;
            let offset = self.name_offset(&function, &mut records)? as u64;
            let has_file = self.field(&function, PCFILE, &mut records)? != 0;
            let len = SHORT_NAME_BYTES.min(self.names.len_bytes.checked_sub(offset)? as usize);
            let name = names.bytes(self.names.at(offset, len as u64)?, len)?;
            let len = name.iter().position(|byte| *byte == 0).unwrap_or(len);
            each(&function, &name[..len], has_file);
        }
        Some(())
    }

    /// The function that `pc` lies in.
    pub fn function_at(&self, pc: u64) -> Option<Function> {
        let window = &mut Window::<64>::new();
        let offset = u32::try_from(pc.checked_sub(self.text_start)?).ok()?;
        let (mut low, mut high) = (0, self.functions_count);
        if offset < self.entry(0, window)? || offset >= self.entry(high, window)? {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.entry(middle, window)? <= offset {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.function(low, window)
    }

    /// The `index`th function.
    pub(crate) fn function<const N: usize>(&self, index: u32, window: &mut Window<N>) -> Option<Function> {
        let record = window.u32(self.functions.at(8 * index as u64 + 4, 4)?)? as u64;
        let entry = self.entry(index, window)? as u64;
        let end = self.entry(index.checked_add(1)?, window)? as u64;
        Some(Function {
            entry: self.text_start + entry,
            end: self.text_start + end,
            record,
        })
    }

    /// Where the `index`th function starts, counted from `runtime.text`; one more than there are is their end.
    fn entry<const N: usize>(&self, index: u32, window: &mut Window<N>) -> Option<u32> {
        window.u32(self.functions.at(8 * index as u64, 4)?)
    }

    /// A 32-bit field of a function's `_func`.
    fn field<const N: usize>(&self, function: &Function, offset: u64, window: &mut Window<N>) -> Option<u32> {
        window.u32(self.functions.at(function.record.checked_add(offset)?, 4)?)
    }

    /// Where the function's name is, as an offset into the table of names.
    pub(crate) fn name_offset<const N: usize>(
        &self,
        function: &Function,
        window: &mut Window<N>,
    ) -> Option<u32> {
        self.field(function, NAME_OFFSET, window)
    }

    /// Calls `each` with the calls that `pc` is in, the innermost (inlined) one
    /// first. `pc` lies in the call instruction: a return address less one.
    /// None: the address is in none of its functions, or the tables are corrupt.
    pub fn calls_at(&self, pc: u64, each: &mut dyn FnMut(&Call)) -> Option<()> {
        let window = &mut Window::<256>::new();
        let function = self.function_at(pc)?;
        let tree = self.inline_tree(&function, window)?;
        let index_steps = match tree {
            Some(_) => self.field(&function, FUNC_BYTES + 4 * PCDATA_INLINE_INDEX as u64, window)?,
            None => 0,
        };
        let mut pc = pc;
        for _ in 0..MAX_INLINED {
            let inlined = match tree {
                Some(tree) => match self.value_at(index_steps, &function, pc) {
                    Some(index @ 0..) => {
                        let at = tree.checked_add(INLINED_CALL_BYTES * index as u64)?;
                        Some(self.inline_trees.at(at, INLINED_CALL_BYTES)?)
                    }
                    _ => None,
                },
                None => None,
            };
            let name_offset = match inlined {
                Some(call) => window.u32(call + 4)?,
                None => self.name_offset(&function, window)?,
            };
            self.tell(&function, pc, name_offset, inlined.is_some(), each)?;
            match inlined {
                // parentPc: an instruction that has the position of the call.
                Some(call) => pc = function.entry + window.u32(call + 8)? as u64,
                None => return Some(()),
            }
        }
        None
    }

    /// How far the stack pointer is below the return address when `pc` is the next instruction (exactly, not
    /// that of a call), in bytes. None: it is not known, as in functions that switch stacks.
    pub fn stack_depth_at(&self, pc: u64) -> Option<u64> {
        let function = self.function_at(pc)?;
        let steps = self.field(&function, PCSP, &mut Window::<64>::new())?;
        u64::try_from(self.value_at(steps, &function, pc)?).ok()
    }

    fn tell(
        &self,
        function: &Function,
        pc: u64,
        name_offset: u32,
        inlined: bool,
        each: &mut dyn FnMut(&Call),
    ) -> Option<()> {
        let window = &mut Window::<64>::new();
        let (mut name, mut file) = ([0; NAME_BYTES], [0; NAME_BYTES]);
        let line_steps = self.field(function, PCLN, window)?;
        let line = self
            .value_at(line_steps, function, pc)
            .and_then(|line| u32::try_from(line).ok());
        let file_len = self.file_at(function, pc, &mut file).unwrap_or(0);
        let name_len = read_string(&self.names, name_offset, &mut name)?;
        each(&Call {
            function: &name[..name_len],
            file: &file[..file_len],
            line: line.unwrap_or(0),
            inlined,
        });
        Some(())
    }

    fn file_at(&self, function: &Function, pc: u64, file: &mut [u8]) -> Option<usize> {
        let window = &mut Window::<64>::new();
        let steps = self.field(function, PCFILE, window)?;
        let number = u32::try_from(self.value_at(steps, function, pc)?).ok()?;
        let unit = self.field(function, UNIT_OFFSET, window)?.checked_add(number)?;
        let offset = window.u32(self.units.at(4 * unit as u64, 4)?)?;
        read_string(&self.files, offset, file)
    }

    /// Where the function's inline tree starts in the table of trees. None inside: it has none.
    fn inline_tree<const N: usize>(
        &self,
        function: &Function,
        window: &mut Window<N>,
    ) -> Option<Option<u64>> {
        let pcdata_count = self.field(function, PCDATA_COUNT, window)?;
        let funcdata_count = self.field(function, FUNCDATA_COUNT, window)? >> 24;
        if pcdata_count <= PCDATA_INLINE_INDEX || funcdata_count <= FUNCDATA_INLINE_TREE {
            return Some(None);
        }
        let slot = 4 * (pcdata_count as u64 + FUNCDATA_INLINE_TREE as u64);
        let offset = self.field(function, FUNC_BYTES + slot, window)?;
        Some((offset != u32::MAX).then_some(offset as u64))
    }

    /// The value that a table of steps has at `pc`: pairs of differences, of the value
    /// (zigzag) and of the address, both varints; it ends with a difference of 0.
    fn value_at(&self, steps: u32, function: &Function, pc: u64) -> Option<i32> {
        if steps == 0 {
            return None;
        }
        let mut cursor = Cursor {
            table: self.steps,
            offset: steps as u64,
            window: Window::<128>::new(),
        };
        let (mut value, mut at) = (-1i32, function.entry);
        for step in 0..MAX_STEPS {
            let difference = cursor.varint()?;
            if difference == 0 && step != 0 {
                return None;
            }
            value = value.wrapping_add((difference >> 1) as i32 ^ -((difference & 1) as i32));
            at = at.checked_add(cursor.varint()? as u64 * self.quantum as u64)?;
            if pc < at {
                return Some(value);
            }
        }
        None
    }
}

/// Reads the string at `offset`, up to its NUL, and gives its length; what does not fit is cut off.
fn read_string(table: &Table, offset: u32, into: &mut [u8]) -> Option<usize> {
    let mut cursor = Cursor {
        table: *table,
        offset: offset as u64,
        window: Window::<128>::new(),
    };
    for (len, byte) in into.iter_mut().enumerate() {
        match cursor.byte()? {
            0 => return Some(len),
            other => *byte = other,
        }
    }
    Some(into.len())
}

/// Reads a table byte by byte.
struct Cursor<const N: usize> {
    table: Table,
    offset: u64,
    window: Window<N>,
}

impl<const N: usize> Cursor<N> {
    fn byte(&mut self) -> Option<u8> {
        let at = self.table.at(self.offset, 1)?;
        self.offset += 1;
        self.window.bytes(at, 1).map(|bytes| bytes[0])
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            value |= ((byte & 0x7f) as u32) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

/// Reads memory in pieces of N bytes, so that what is read in order costs few system calls.
pub(crate) struct Window<const N: usize> {
    start: u64,
    len: usize,
    bytes: [u8; N],
}

impl<const N: usize> Window<N> {
    pub(crate) const fn new() -> Window<N> {
        Window {
            start: 0,
            len: 0,
            bytes: [0; N],
        }
    }

    /// `len` bytes (N at most) at `at`.
    #[inline]
    pub(crate) fn bytes(&mut self, at: u64, len: usize) -> Option<&[u8]> {
        let inside = at.wrapping_sub(self.start);
        if inside >= self.len as u64 || self.len - (inside as usize) < len {
            self.fill(at, len)?;
            return self.bytes.get(..len);
        }
        self.bytes.get(inside as usize..inside as usize + len)
    }

    fn fill(&mut self, at: u64, len: usize) -> Option<()> {
        self.len = 0;
        // What follows may not be mapped; the rest of what was asked for's last page is.
        let rest_of_page = 4096 - (at.checked_add(len as u64)? - 1) % 4096 - 1;
        for wanted in [N, N.min(len + rest_of_page as usize), len] {
            if wanted >= len && copy(at, self.bytes.get_mut(..wanted)?) {
                (self.start, self.len) = (at, wanted);
                return Some(());
            }
        }
        None
    }

    /// The little-endian 32-bit word at `at`.
    pub(crate) fn u32(&mut self, at: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(at, 4)?.try_into().ok()?))
    }
}

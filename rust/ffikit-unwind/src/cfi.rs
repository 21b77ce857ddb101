//! Call frame information: finds the `.eh_frame` entry of an address and lets
//! gimli evaluate it, on copies that the kernel made for us. So a module that is
//! unloaded meanwhile, or whose tables are corrupt, gives an error and no fault.
//!
//! This is the slow side: a rule is asked for once per return address and then
//! kept by [`crate::rules`].
//!
//! Formats: Linux Standard Base, `.eh_frame` and `.eh_frame_hdr`; DWARF 5, 6.4.

use crate::arch::syscall4;
use crate::arch::VENDOR;
use crate::memory::{copy, copy_u32};
use crate::module::Module;
use crate::walk::End;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering::*};
use gimli::{
    BaseAddresses, EhFrame, EndianSlice, Evaluation, EvaluationResult, EvaluationStorage, Location,
    NativeEndian, Piece, Register, RegisterRule, UnwindContext, UnwindContextStorage, UnwindSection,
    UnwindTableRow, Value,
};

pub(crate) type Slice<'a> = EndianSlice<'a, NativeEndian>;

/// The longest pair of CIE and FDE that is looked at; the interpreter loop of
/// CPython has some 6 KB.
const ENTRY_BYTES_MAX: usize = 32 << 10;

/// How many rules may be in the making at the same time: threads, and the signal
/// handlers that interrupt them.
const SCRATCHES: usize = 32;

/// Where entries are copied to. Taken by whoever finds one free; nobody waits.
struct Scratch {
    /// The process that took it; 0: free. The child of a fork has none of the threads that
    /// held one at that moment: what belongs to another process is free as well.
    owner: AtomicU32,
    bytes: UnsafeCell<[u8; ENTRY_BYTES_MAX]>,
}

// SAFETY: `bytes` is touched only by who has set `owner`.
unsafe impl Sync for Scratch {}

static SCRATCH: [Scratch; SCRATCHES] = [const {
    Scratch {
        owner: AtomicU32::new(0),
        bytes: UnsafeCell::new([0; ENTRY_BYTES_MAX]),
    }
}; SCRATCHES];

struct Taken(&'static Scratch);

impl Taken {
    fn take() -> Result<Taken, End> {
        // SAFETY: no arguments, and it cannot fail.
        let me = unsafe { syscall4(libc::SYS_getpid, 0, 0, 0, 0) } as u32;
        let take = |of: fn(u32, u32) -> bool| {
            SCRATCH.iter().find(|scratch| {
                let owner = scratch.owner.load(Relaxed);
                of(owner, me)
                    && scratch
                        .owner
                        .compare_exchange(owner, me, Acquire, Relaxed)
                        .is_ok()
            })
        };
        // Those of others last: the child of a vfork still shares its parent's.
        take(|owner, _| owner == 0)
            .or_else(|| take(|owner, me| owner != me))
            .map(Taken)
            .ok_or(End::Busy)
    }

    fn bytes(&mut self) -> &mut [u8; ENTRY_BYTES_MAX] {
        // SAFETY: `owner` is this process until drop, and `self` is borrowed meanwhile.
        unsafe { &mut *self.0.bytes.get() }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.owner.store(0, Release);
    }
}

/// Storage of gimli's tables on the stack: all of x86-64's registers, or the
/// callee-saved half of aarch64's, in each of 4 remembered rows.
pub(crate) struct OnStack;

impl UnwindContextStorage<usize> for OnStack {
    type Rules = [(Register, RegisterRule<usize>); 24];
    type Stack = [UnwindTableRow<usize, OnStack>; 4];
}

impl<'a> EvaluationStorage<Slice<'a>> for OnStack {
    type Stack = [Value; 16];
    type ExpressionStack = [(Slice<'a>, Slice<'a>); 4];
    type Result = [Piece<Slice<'a>>; 1];
}

/// What the tables say of one address.
pub(crate) struct Row<'a> {
    section: EhFrame<Slice<'a>>,
    row: &'a UnwindTableRow<usize, OnStack>,
    /// The address is in a signal trampoline: the frame above was interrupted.
    pub(crate) is_signal_frame: bool,
    return_address: Register,
}

/// The canonical frame address.
pub(crate) enum Cfa<'a> {
    Register { number: u16, offset: i64 },
    Expression(Slice<'a>),
}

/// Where the caller's value of a register is.
pub(crate) enum Saved<'a> {
    /// Still in the register.
    Same,
    /// Lost; for the return address: this is the outermost frame.
    Undefined,
    /// In memory at CFA + offset.
    At(i64),
    /// It is CFA + offset.
    Is(i64),
    /// In another register.
    In(u16),
    /// In memory at what the expression gives, CFA on its stack.
    AtExpression(Slice<'a>),
    /// What the expression gives, CFA on its stack.
    IsExpression(Slice<'a>),
}

impl<'a> Row<'a> {
    pub(crate) fn cfa(&self) -> Result<Cfa<'a>, End> {
        Ok(match self.row.cfa() {
            gimli::CfaRule::RegisterAndOffset { register, offset } => Cfa::Register {
                number: register.0,
                offset: *offset,
            },
            gimli::CfaRule::Expression(expression) => Cfa::Expression(self.expression(expression)?),
        })
    }

    pub(crate) fn return_address(&self) -> Result<Saved<'a>, End> {
        self.saved(self.return_address.0)
    }

    pub(crate) fn saved(&self, number: u16) -> Result<Saved<'a>, End> {
        Ok(match self.row.register(Register(number)) {
            None | Some(RegisterRule::SameValue) => Saved::Same,
            Some(RegisterRule::Undefined) => Saved::Undefined,
            Some(RegisterRule::Offset(offset)) => Saved::At(offset),
            Some(RegisterRule::ValOffset(offset)) => Saved::Is(offset),
            Some(RegisterRule::Register(other)) => Saved::In(other.0),
            Some(RegisterRule::Expression(expression)) => Saved::AtExpression(self.expression(&expression)?),
            Some(RegisterRule::ValExpression(expression)) => {
                Saved::IsExpression(self.expression(&expression)?)
            }
            Some(_) => return Err(End::CorruptCfi),
        })
    }

    fn expression(&self, expression: &gimli::UnwindExpression<usize>) -> Result<Slice<'a>, End> {
        Ok(expression.get(&self.section).map_err(|_| End::CorruptCfi)?.0)
    }
}

/// Evaluates an expression; `initial` goes on its stack first, `register` gives
/// the values of registers. Memory is read by the kernel.
pub(crate) fn evaluate(
    expression: Slice<'_>,
    initial: Option<u64>,
    register: impl Fn(u16) -> Option<u64>,
) -> Option<u64> {
    let encoding = gimli::Encoding {
        address_size: 8,
        format: gimli::Format::Dwarf32,
        version: 5,
    };
    let mut evaluation = Evaluation::<_, OnStack>::new_in(expression, encoding);
    evaluation.set_max_iterations(200);
    if let Some(initial) = initial {
        evaluation.set_initial_value(initial);
    }
    let mut result = evaluation.evaluate().ok()?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register: number, .. } => evaluation
                .resume_with_register(Value::Generic(register(number.0)?))
                .ok()?,
            EvaluationResult::RequiresMemory { address, size, .. } => {
                let mut bytes = [0; 8];
                if !copy(address, bytes.get_mut(..size as usize)?) {
                    return None;
                }
                evaluation
                    .resume_with_memory(Value::Generic(u64::from_ne_bytes(bytes)))
                    .ok()?
            }
            _ => return None,
        };
    }
    match evaluation.as_result() {
        [Piece {
            location: Location::Address { address },
            ..
        }] => Some(*address),
        _ => None,
    }
}

/// Gives `read` the row of `pc`, an address inside of the instruction that is
/// asked about (a return address − 1, or an interrupted instruction's own).
pub(crate) fn with_row<T>(
    module: &Module,
    pc: u64,
    read: impl FnOnce(&Row<'_>) -> Result<T, End>,
) -> Result<T, End> {
    let fde = find_fde(module, pc)?;
    let mut scratch = Taken::take()?;
    let entry = Entry::copy(module, fde, scratch.bytes())?;
    let mut section = EhFrame::new(entry.bytes, NativeEndian);
    section.set_vendor(VENDOR);
    let bases = BaseAddresses::default()
        .set_eh_frame_hdr(module.eh_frame_hdr)
        .set_eh_frame(fde.wrapping_sub(entry.fde_offset as u64));
    let parsed = section
        .fde_from_offset(
            &bases,
            gimli::EhFrameOffset(entry.fde_offset),
            EhFrame::cie_from_offset,
        )
        .map_err(|_| End::CorruptCfi)?;
    if !parsed.contains(pc) {
        return Err(End::NoCfi);
    }
    let mut context = UnwindContext::<usize, OnStack>::new_in();
    let row = parsed
        .unwind_info_for_address(&section, &bases, &mut context, pc)
        .map_err(|_| End::CorruptCfi)?;
    read(&Row {
        section,
        row,
        is_signal_frame: parsed.is_signal_trampoline(),
        return_address: parsed.cie().return_address_register(),
    })
}

/// A CIE and its FDE, side by side.
struct Entry<'a> {
    bytes: &'a [u8],
    fde_offset: usize,
}

impl<'a> Entry<'a> {
    /// Copies both: the CIE to the front, the FDE behind it, its pointer to the
    /// CIE set to where that now is. With a section base such that the FDE keeps
    /// its address, its own relative pointers stay right; the CIE's (the
    /// personality's) do not, and nobody follows them.
    fn copy(module: &Module, fde: u64, buffer: &'a mut [u8; ENTRY_BYTES_MAX]) -> Result<Entry<'a>, End> {
        let pointer = copy_u32(fde + 4).ok_or(End::Unreadable)? as u64;
        let cie = (fde + 4).wrapping_sub(pointer);
        if pointer == 0 || cie < module.start || cie >= module.end {
            return Err(End::CorruptCfi);
        }
        let cie_len = entry_len(cie)?;
        let fde_len = entry_len(fde)?;
        let end = cie_len + fde_len;
        if end > buffer.len() {
            return Err(End::CorruptCfi);
        }
        if !copy(cie, &mut buffer[..cie_len]) || !copy(fde, &mut buffer[cie_len..end]) {
            return Err(End::Unreadable);
        }
        let moved = (cie_len + 4) as u32;
        buffer[cie_len + 4..cie_len + 8].copy_from_slice(&moved.to_ne_bytes());
        Ok(Entry {
            bytes: &buffer[..end],
            fde_offset: cie_len,
        })
    }
}

/// The length of a CIE or FDE, its length field included.
fn entry_len(entry: u64) -> Result<usize, End> {
    match copy_u32(entry).ok_or(End::Unreadable)? {
        // 0 ends the section; 0xffffffff announces a 64-bit length, which no toolchain writes here.
        0 | 0xffff_ffff => Err(End::CorruptCfi),
        len if (8..ENTRY_BYTES_MAX as u32).contains(&len) => Ok(len as usize + 4),
        _ => Err(End::CorruptCfi),
    }
}

/// The absolute address of the last FDE that starts at or before `pc`, by the
/// binary search table of `.eh_frame_hdr`.
fn find_fde(module: &Module, pc: u64) -> Result<u64, End> {
    let header_address = module.eh_frame_hdr;
    if header_address == 0 {
        return Err(End::NoCfi);
    }
    let mut header = [0; 12];
    if !copy(header_address, &mut header) {
        return Err(End::Unreadable);
    }
    // version 1, eh_frame_ptr: pcrel sdata4, fde_count: udata4, table: datarel sdata4.
    match header[..4] {
        [1, 0x1b, 0x03, 0x3b] => {}
        [1, _, 0xff, _] | [1, _, _, 0xff] => return Err(End::NoCfi),
        _ => return Err(End::CorruptCfi),
    }
    let count = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]) as u64;
    let table = header_address + 12;
    let start_of = |entry: [u8; 4]| header_address.wrapping_add_signed(i32::from_ne_bytes(entry) as i64);
    let read = |index: u64| {
        let mut entry = [[0; 4]; 2];
        copy(table + 8 * index, entry.as_flattened_mut())
            .then(|| (start_of(entry[0]), start_of(entry[1])))
            .ok_or(End::Unreadable)
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if read(middle)?.0 <= pc {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low == 0 {
        return Err(End::NoCfi);
    }
    let (_, fde) = read(low - 1)?;
    if fde < module.start || fde >= module.end {
        return Err(End::CorruptCfi);
    }
    Ok(fde)
}

#[cfg(test)]
mod tests;

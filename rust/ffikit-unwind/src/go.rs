//! The Go runtimes of this process: where their text lies, how their stacks
//! are entered and left, and the names of their functions.
//!
//! A runtime is found once for each module ([`discover`]), without symbols or
//! section headers; what stacks need of it is then ready as a few offsets, and
//! [`runtime_at`] and the methods of [`GoRuntime`] that walking uses read nothing
//! but the stack.

mod identity;
mod registry;

pub use crate::arch::crossing::Caller;
use crate::arch::crossing::{
    caller_of_interrupted, for_each_call, stack_pointer_above, Leave, Return, FRAME_BELOW_STACK_POINTER,
};
use crate::arch::Registers;
use crate::memory::{copy, is_page_readable, load_u64};
use crate::module::Module;
use crate::pclntab::{Call, Function, Pclntab};
use identity::Identity;
pub use registry::{runtime_at, runtime_linked_with};

/// The largest of the functions that are read from their code has some 250 bytes.
const MAX_CODE_BYTES: usize = 512;

/// asmcgocall calls C on a goroutine's behalf and on a system stack's.
const MAX_CALLS: usize = 4;

/// The smallest stack of a goroutine, runtime.fixedStack.
const MIN_STACK_BYTES: u64 = 2048;

/// Far above what a stack may grow to (runtime.maxstacksize is 1 GB unless a program sets it).
const MAX_STACK_BYTES: u64 = 1 << 40;

/// How much stack C functions without CFI may use, in words: 256 KiB.
const MAX_C_STACK_WORDS: u64 = 1 << 15;

/// A Go runtime that was found in a loaded module.
#[derive(Debug)]
pub struct GoRuntime {
    /// Where the code that Go's compiler and assembler made starts. C code that Go's own
    /// linker put before it (internal linking) is not in here.
    pub text_start: u64,
    /// `runtime.etext`: where its text ends.
    pub text_end: u64,
    /// Names, files and lines of its functions.
    pub tables: Pclntab,
    identity: u64,
    module_start: u64,
    module_end: u64,
    // Return addresses; 0 where there is none, since nothing returns there.
    crosscall2_ret: u64,
    sigtramp_ret: u64,
    asmcgocall_rets: [u64; MAX_CALLS],
    // What stands behind them.
    crosscall2: Option<Leave>,
    sigtramp: Option<Leave>,
    asmcgocall: [Option<Return>; MAX_CALLS],
    thread_start: (u64, u64),
}

/// Where a goroutine's frames go on below a call into C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoFrame {
    /// The frame pointer of asmcgocall: `[fp]` is its caller's, `[fp + 8]` the return address.
    pub fp: u64,
    /// The goroutine's stack is `[lo, hi)`; both are 0 where asmcgocall did not
    /// switch stacks: then `fp` lies on the stack that the C code runs on.
    pub lo: u64,
    /// The end of the goroutine's stack.
    pub hi: u64,
}

/// How an interrupted Go function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptedCaller {
    /// The return address.
    pub ret: u64,
    /// Where the function's frame pointer would point: the return address is at `frame + 8`.
    pub frame: u64,
    /// The caller's frame pointer.
    pub fp: u64,
    /// False: `frame` is made up, and the return address was in a register.
    pub has_frame: bool,
}

/// Looks whether a module has a Go runtime, and keeps what it finds. Call it
/// where a module is seen for the first time, and again when the module at an
/// address may be another one: what was kept for the former is then given up.
///
/// Allocates nothing, takes no lock, reads memory by the kernel, and may run in any
/// number of threads and in signal handlers: all get the same runtime. The first
/// time it costs 0.1 to 10 ms for a module that Go made, later some microseconds.
pub fn discover(module: &Module) -> Option<&'static GoRuntime> {
    let identity = Identity::of(module)?;
    if let Some(known) = registry::lookup(module, identity.hash) {
        return known;
    }
    let runtime = identity
        .may_be_go(module)
        .then(|| GoRuntime::find(module, identity.hash))
        .flatten();
    registry::publish(module, identity.hash, runtime)
}

impl GoRuntime {
    const NOBODY: GoRuntime = GoRuntime::without_crossings(Pclntab::NOTHING, 0, 0..0);

    const fn without_crossings(tables: Pclntab, identity: u64, module: core::ops::Range<u64>) -> GoRuntime {
        GoRuntime {
            text_start: tables.text_start,
            text_end: tables.text_end,
            tables,
            identity,
            module_start: module.start,
            module_end: module.end,
            crosscall2_ret: 0,
            sigtramp_ret: 0,
            asmcgocall_rets: [0; MAX_CALLS],
            crosscall2: None,
            sigtramp: None,
            asmcgocall: [None; MAX_CALLS],
            thread_start: (0, 0),
        }
    }

    /// Finds the runtime of a module, and keeps nothing: [`discover`] is what walking needs.
    pub fn read(module: &Module) -> Option<GoRuntime> {
        let identity = Identity::of(module)?;
        identity
            .may_be_go(module)
            .then(|| GoRuntime::find(module, identity.hash))
            .flatten()
    }

    fn find(module: &Module, identity: u64) -> Option<GoRuntime> {
        let tables = Pclntab::find(module)?;
        let mut runtime = GoRuntime::without_crossings(tables, identity, module.start..module.end);
        let mut go_start = None;
        tables.for_each_function(|function, name, has_file| {
            // C code that Go's linker took in comes first; only code of Go's own has files.
            if has_file || go_start.is_some() {
                go_start.get_or_insert(function.entry);
                runtime.take(function, name);
            }
        })?;
        runtime.text_start = go_start?;
        Some(runtime)
    }

    /// Keeps what walking needs of a function.
    fn take(&mut self, function: &Function, name: &[u8]) {
        let mut code = [0; MAX_CODE_BYTES];
        let len = (function.end - function.entry).min(MAX_CODE_BYTES as u64) as usize;
        let code = &mut code[..len];
        match name {
            b"crosscall2" | b"runtime.sigtramp" | b"runtime.asmcgocall" if !copy(function.entry, code) => {}
            b"crosscall2" => {
                if let Some((ret, leave)) = leave_of(function, code) {
                    (self.crosscall2_ret, self.crosscall2) = (ret, Some(leave));
                }
            }
            b"runtime.sigtramp" => {
                if let Some((ret, leave)) = leave_of(function, code) {
                    (self.sigtramp_ret, self.sigtramp) = (ret, Some(leave));
                }
            }
            // There are two of this name: the function, and a wrapper for callers with Go's other calling convention.
            b"runtime.asmcgocall" => for_each_call(code, |offset| {
                let free = self.asmcgocall.iter().position(Option::is_none);
                if let (Some(free), Some(call)) = (free, Return::compile(&code[offset..])) {
                    self.asmcgocall_rets[free] = function.entry + offset as u64;
                    self.asmcgocall[free] = Some(call);
                }
            }),
            b"runtime.mstart" => self.thread_start = (function.entry, function.end),
            _ => {}
        }
    }

    /// Whether `ret` is the return address of crosscall2's call into Go.
    #[inline(always)]
    pub fn is_crosscall2(&self, ret: u64) -> bool {
        self.crosscall2_ret == ret
    }

    /// The registers of crosscall2's caller in C; `[fp + 8]` is the return address that [`Self::is_crosscall2`] knows.
    #[inline(always)]
    pub fn leave_crosscall2(&self, fp: u64) -> Option<Caller> {
        self.crosscall2?.apply(fp)
    }

    /// Whether `ret` is a return address of asmcgocall's calls into C: use [`Self::goroutine_frame`] there.
    #[inline(always)]
    pub fn is_asmcgocall(&self, ret: u64) -> bool {
        self.return_at(ret).is_some()
    }

    #[inline(always)]
    fn return_at(&self, ret: u64) -> Option<Return> {
        let index = self.asmcgocall_rets.iter().position(|at| *at == ret)?;
        self.asmcgocall[index]
    }

    /// Where the goroutine is that called C through asmcgocall: `ret` is the return address
    /// in asmcgocall, `sp` the stack pointer after that return (the CFA of the outermost C frame).
    /// None: what lies there is no goroutine.
    #[inline]
    pub fn goroutine_frame(&self, ret: u64, sp: u64) -> Option<GoFrame> {
        let at = |offset: i16| load_u64(sp.wrapping_add(offset as u64));
        match self.return_at(ret)? {
            Return::SystemStack { frame } => {
                let fp = at(frame)?.wrapping_sub(FRAME_BELOW_STACK_POINTER);
                (fp > sp && fp % 8 == 0).then_some(GoFrame { fp, lo: 0, hi: 0 })
            }
            Return::Goroutine { g, high, depth } => {
                let (g, depth) = (at(g)?, at(depth)?);
                let hi = load_u64(g.wrapping_add(high as u64))?;
                let lo = load_u64(g.wrapping_add(high as u64 - 8))?;
                let depth = depth.wrapping_add(FRAME_BELOW_STACK_POINTER);
                let fp = hi.wrapping_sub(depth);
                let len = hi.wrapping_sub(lo);
                let is_stack =
                    (MIN_STACK_BYTES..MAX_STACK_BYTES).contains(&len) && lo % 8 == 0 && hi % 8 == 0;
                let is_inside = depth % 8 == 0 && (16..len).contains(&depth);
                let is_mapped =
                    is_page_readable(lo) && is_page_readable(fp) && is_page_readable(hi.wrapping_sub(8));
                (is_stack && is_inside && is_mapped).then_some(GoFrame { fp, lo, hi })
            }
        }
    }

    /// The caller of a Go function that a signal interrupted, at any of its instructions: it may have
    /// no frame yet, or no more. None: it switches stacks there, or is not Go's at all.
    #[cold]
    pub fn caller_of_interrupted(&self, pc: u64, at: &Registers) -> Option<InterruptedCaller> {
        let depth = self.tables.stack_depth_at(pc).filter(|depth| depth % 8 == 0)?;
        let caller = caller_of_interrupted(depth, at)?;
        let is_go = (self.text_start..self.text_end).contains(&caller.ret);
        // A way out of Go is read from the callee's frame: there has to be one.
        let is_crossing = self.is_crosscall2(caller.ret) || self.is_sigtramp(caller.ret);
        (is_go && (caller.has_frame || !is_crossing)).then_some(caller)
    }

    /// Whether `ret` is the return address of sigtramp's call into Go: Go handles a signal, or hands it on.
    #[inline(always)]
    pub fn is_sigtramp(&self, ret: u64) -> bool {
        self.sigtramp_ret == ret
    }

    /// What sigtramp returns to: `pc` is the signal trampoline, and the kernel's frame
    /// (`ucontext`) is at `sp`; `[fp + 8]` is the return address that [`Self::is_sigtramp`] knows.
    #[inline]
    pub fn leave_sigtramp(&self, fp: u64) -> Option<Caller> {
        self.sigtramp?.apply(fp)
    }

    /// The stack pointer of the caller of a Go function, after the return: `fp` is the function's
    /// frame pointer, and `pc` lies in the function.
    pub fn stack_pointer_above(&self, fp: u64, pc: u64) -> Option<u64> {
        stack_pointer_above(fp, |code| {
            self.tables
                .function_at(pc)
                .is_some_and(|function| copy(function.entry, code))
        })
    }

    /// Whether `ret` is in the function that a thread of Go's starts in: there is no caller to look for.
    #[inline]
    pub fn is_thread_start(&self, ret: u64) -> bool {
        (self.thread_start.0..self.thread_start.1).contains(&ret)
    }

    /// Where C code that has no CFI was called from Go: the return address in asmcgocall,
    /// and the stack pointer after that return, by the first word from `sp` on that is this
    /// address and has a goroutine beside it. What lies between stays unknown.
    ///
    /// That is for C code which Go's own linker took in ([`runtime_linked_with`]): it does so for
    /// packages of the standard library, whose C code does not call Go back. So no
    /// former call's return address lies below the true one.
    ///
    /// `load` reads a word of the stack, and nothing outside of it.
    #[cold]
    pub fn find_asmcgocall(&self, sp: u64, load: impl Fn(u64) -> Option<u64>) -> Option<(u64, u64)> {
        let slots = (0..MAX_C_STACK_WORDS).map(|index| sp.wrapping_add(8 * index));
        for slot in slots {
            let (word, above) = (load(slot)?, slot.wrapping_add(8));
            if self.is_asmcgocall(word) && self.goroutine_frame(word, above).is_some() {
                return Some((word, above));
            }
        }
        None
    }

    /// The calls that `pc` is in, the innermost (inlined) one first; `pc` lies in the call
    /// instruction: a return address less one. As [`Pclntab::calls_at`].
    pub fn calls_at(&self, pc: u64, each: &mut dyn FnMut(&Call)) -> Option<()> {
        self.tables.calls_at(pc, each)
    }
}

/// The one call in a function whose way out can be read, and that way.
fn leave_of(function: &Function, code: &[u8]) -> Option<(u64, Leave)> {
    let mut found = None;
    for_each_call(code, |offset| {
        if let Some(leave) = Leave::compile(code, offset, function.entry, copy) {
            found = Some((function.entry + offset as u64, leave));
        }
    });
    found
}

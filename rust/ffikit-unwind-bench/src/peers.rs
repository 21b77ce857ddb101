//! The walkers of others.

use super::FRAMES_MAX;
use ffikit_unwind::{Registers, StackBounds};
use framehop::x86_64::{CacheX86_64, Reg, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, MustNotAllocateDuringUnwind, Unwinder};
use std::ffi::{c_int, c_void, CStr};

extern "C" {
    fn _Unwind_Backtrace(each: extern "C" fn(*mut c_void, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

/// How many frames there are, and which.
pub(crate) type Found = (usize, [usize; FRAMES_MAX]);

extern "C" fn count(context: *mut c_void, data: *mut c_void) -> c_int {
    // SAFETY: `data` is libgcc()'s counter and array; the context is the unwinder's own.
    unsafe {
        let (len, frames) = &mut *data.cast::<Found>();
        frames[*len] = _Unwind_GetIP(context);
        *len += 1;
        c_int::from(*len == FRAMES_MAX) * 5
    }
}

/// `_Unwind_Backtrace`, as ASan's slow unwinder and glibc's backtrace() use it.
pub(crate) fn libgcc(found: &mut Found) -> usize {
    found.0 = 0;
    // SAFETY: the callback gets exactly this data.
    unsafe { _Unwind_Backtrace(count, (&raw mut *found).cast()) };
    found.0
}

/// Follows RBP and nothing else.
#[inline(never)]
pub(crate) fn frame_pointers(mut fp: u64, bounds: StackBounds, frames: &mut [u64; FRAMES_MAX]) -> usize {
    let mut len = 0;
    let mut last = 0;
    while len < FRAMES_MAX && fp & 7 == 0 && fp > last && bounds.contains(fp) && bounds.contains(fp + 8) {
        // SAFETY: both words lie in this thread's stack, above a frame that is alive.
        let (next, ret) = unsafe { (*(fp as *const u64), *((fp + 8) as *const u64)) };
        if ret == 0 {
            break;
        }
        frames[len] = ret;
        len += 1;
        last = fp;
        fp = next;
    }
    len
}

/// libunwind's `unw_backtrace`, its fast path with a cache of frames.
pub(crate) struct Libunwind(Backtrace);

type Backtrace = unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int;

impl Libunwind {
    pub(crate) fn load() -> Option<Libunwind> {
        // SAFETY: C strings; the library stays loaded, so the function does.
        unsafe {
            let library = libc::dlopen(c"libunwind.so.8".as_ptr(), libc::RTLD_NOW);
            if library.is_null() {
                return None;
            }
            let symbol = libc::dlsym(library, c"unw_backtrace".as_ptr());
            (!symbol.is_null()).then(|| Libunwind(std::mem::transmute::<*mut c_void, Backtrace>(symbol)))
        }
    }

    pub(crate) fn walk(&self, frames: &mut [*mut c_void; FRAMES_MAX]) -> usize {
        // SAFETY: as many slots as it is told.
        unsafe { (self.0)(frames.as_mut_ptr(), FRAMES_MAX as c_int) as usize }
    }
}

/// framehop, over all modules that are loaded now.
pub(crate) struct Framehop {
    unwinder: UnwinderX86_64<&'static [u8], MustNotAllocateDuringUnwind>,
    cache: Box<CacheX86_64<MustNotAllocateDuringUnwind>>,
}

impl Framehop {
    pub(crate) fn new() -> Framehop {
        let mut framehop = Framehop {
            unwinder: UnwinderX86_64::new(),
            cache: Box::new(CacheX86_64::new_in()),
        };
        // SAFETY: the callback gets this very unwinder.
        unsafe { libc::dl_iterate_phdr(Some(add_module), (&raw mut framehop.unwinder).cast()) };
        framehop
    }

    pub(crate) fn walk(&mut self, from: &Registers, frames: &mut [u64; FRAMES_MAX]) -> usize {
        let mut registers = UnwindRegsX86_64::new(from.pc, from.sp, from.fp);
        let saved = [Reg::RBX, Reg::R12, Reg::R13, Reg::R14, Reg::R15];
        for (register, value) in saved.into_iter().zip(from.saved) {
            registers.set(register, value);
        }
        let mut read = |at: u64| {
            if at < 4096 || at & 7 != 0 {
                return Err(());
            }
            // SAFETY: an aligned word of the stack that it walks; as trusting as the others.
            Ok(unsafe { *(at as *const u64) })
        };
        let mut len = 0;
        let mut address = FrameAddress::InstructionPointer(from.pc);
        while len < FRAMES_MAX {
            match self
                .unwinder
                .unwind_frame(address, &mut registers, &mut self.cache, &mut read)
            {
                Ok(Some(pc)) => {
                    frames[len] = pc;
                    len += 1;
                    match FrameAddress::from_return_address(pc) {
                        Some(next) => address = next,
                        None => break,
                    }
                }
                _ => break,
            }
        }
        len
    }
}

/// Tells framehop of one module.
unsafe extern "C" fn add_module(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr gives valid headers of mapped modules; `data` is Framehop::new's.
    unsafe {
        let unwinder = &mut *data.cast::<UnwinderX86_64<&'static [u8], MustNotAllocateDuringUnwind>>();
        let (info, base) = (&*info, (*info).dlpi_addr);
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum as usize);
        let range = |h: &libc::Elf64_Phdr| h.p_vaddr..h.p_vaddr + h.p_memsz;
        let bytes = |r: &std::ops::Range<u64>| {
            std::slice::from_raw_parts((base + r.start) as *const u8, (r.end - r.start) as usize)
        };
        let loads = || headers.iter().filter(|h| h.p_type == libc::PT_LOAD);
        let text = loads().find(|h| h.p_flags & libc::PF_X != 0).map(range);
        let header = headers
            .iter()
            .find(|h| h.p_type == libc::PT_GNU_EH_FRAME)
            .map(range);
        let (Some(text), Some(header)) = (text, header) else {
            return 0;
        };
        if bytes(&header)[1] != 0x1b {
            return 0;
        }
        let pointer = i32::from_ne_bytes(bytes(&header)[4..8].try_into().unwrap());
        let start = (header.start + 4).wrapping_add_signed(i64::from(pointer));
        let Some(end) = loads()
            .map(|h| h.p_vaddr..h.p_vaddr + h.p_filesz)
            .find(|r| r.contains(&start))
        else {
            return 0;
        };
        let frames = start..end.end;
        let all =
            loads().map(|h| h.p_vaddr).min().unwrap()..loads().map(|h| h.p_vaddr + h.p_memsz).max().unwrap();
        let sections = ExplicitModuleSectionInfo::<&'static [u8]> {
            base_svma: 0,
            text_svma: Some(text.clone()),
            text: Some(bytes(&text)),
            eh_frame_svma: Some(frames.clone()),
            eh_frame: Some(bytes(&frames)),
            eh_frame_hdr_svma: Some(header.clone()),
            eh_frame_hdr: Some(bytes(&header)),
            ..Default::default()
        };
        let name = CStr::from_ptr(info.dlpi_name).to_string_lossy().into_owned();
        unwinder.add_module(Module::new(
            name,
            base + all.start..base + all.end,
            base,
            sections,
        ));
    }
    0
}

//! The functions that the loader finds here before it finds an allocator's. Each is
//! a jump to where it is to go at the moment; where nothing is tracked that is the
//! next definition itself, and the call arrives there as it was made.

use super::{early, heap, mappings};
use core::ffi::{c_void, CStr};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use ffikit_unwind::module::Module;

/// A function that is interposed.
#[repr(C)]
pub struct Entry {
    /// Where calls go; 0: that is not known yet. The jump reads it, so it comes first.
    target: AtomicUsize,
    /// The next definition behind ours; 0: there is none.
    next: AtomicUsize,
    name: &'static CStr,
    /// What tracks it: each call, or some of them.
    full: *const c_void,
    sampled: *const c_void,
    early: *const c_void,
}

// SAFETY: the pointers are functions.
unsafe impl Sync for Entry {}

impl Entry {
    const fn new(
        name: &'static CStr,
        full: *const c_void,
        sampled: *const c_void,
        early: *const c_void,
    ) -> Entry {
        Entry {
            target: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            name,
            full,
            sampled,
            early,
        }
    }

    #[inline(always)]
    fn next(&self) -> usize {
        self.next.load(Relaxed)
    }

    /// The next definition, which has the type F. Only for those that track it: there is one.
    #[inline(always)]
    pub fn next_as<F: Copy>(&self) -> F {
        const { assert!(size_of::<F>() == size_of::<usize>()) };
        // SAFETY: F is the function pointer type that goes with the name.
        unsafe { core::mem::transmute_copy(&self.next()) }
    }

    fn find(&self) {
        // SAFETY: a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        self.next.store(found as usize, Release);
    }

    fn pass_through(&self) {
        match self.next() {
            0 => self.target.store(self.early as usize, Release),
            next => self.go_to(next),
        }
    }

    fn track(&self, is_sampled: bool) {
        if self.next() != 0 {
            self.go_to(if is_sampled { self.sampled } else { self.full } as usize);
        }
    }

    fn go_to(&self, target: usize) {
        let (others, any) = match self.name.to_bytes() {
            b"free" => (&early::FREE_OTHERS, early::free_any as *const c_void),
            b"realloc" => (&early::REALLOC_OTHERS, early::realloc_any as *const c_void),
            _ => return self.target.store(target, Release),
        };
        others.store(target, Release);
        let target = if early::is_used() { any as usize } else { target };
        self.target.store(target, Release);
    }
}

const UNRESOLVED: u32 = 0;
const RESOLVING: u32 = 1;
const RESOLVED: u32 = 2;
static STATE: AtomicU32 = AtomicU32::new(UNRESOLVED);

/// Finds all next definitions; what is called meanwhile, by the loader itself, gets
/// memory of our own.
pub fn resolve() {
    if STATE
        .compare_exchange(UNRESOLVED, RESOLVING, AcqRel, Acquire)
        .is_err()
    {
        return;
    }
    for entry in all() {
        entry.find();
        entry.pass_through();
    }
    STATE.store(RESOLVED, Release);
}

/// Where a call goes that came before its target was known.
extern "C" fn target_of(entry: &Entry) -> usize {
    resolve();
    match entry.target.load(Acquire) {
        0 => entry.early as usize,
        target => target,
    }
}

/// Whether the process's own calls arrive here: a program that brings its own malloc
/// calls that.
pub fn are_used() -> bool {
    // SAFETY: a C string, and a handle that always exists.
    let first = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"malloc".as_ptr()) };
    // Not by the address of our own function: that name leads to theirs as well.
    module_of(first as usize) == module_of(&raw const MALLOC as usize)
}

/// Where the module starts that an address lies in.
fn module_of(address: usize) -> Option<u64> {
    Module::find(address as u64).map(|module| module.start)
}

/// Whether the next malloc is that of the C library.
pub fn is_glibc() -> bool {
    // SAFETY: as above; the function is nowhere but in the C library.
    let libc = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"gnu_get_libc_version".as_ptr()) };
    module_of(MALLOC.next()) == module_of(libc as usize)
}

/// From now on calls are tracked, each or by sampling. C++'s operators only where they are the
/// allocator's own: others call malloc.
pub fn track(is_sampled: bool) {
    let allocator = module_of(MALLOC.next());
    for entry in all() {
        let is_operator = entry.name.to_bytes().starts_with(b"_Z");
        if !is_operator || module_of(entry.next()) == allocator {
            entry.track(is_sampled);
        }
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    ($entry:ident) => {
        core::arch::naked_asm!(
            "endbr64",
            "mov rax, qword ptr [rip + {entry}]",
            "test rax, rax",
            "jz 2f",
            "jmp rax",
            // Six registers may hold arguments.
            "2: push rdi",
            "push rsi",
            "push rdx",
            "push rcx",
            "push r8",
            "push r9",
            "sub rsp, 8",
            "lea rdi, [rip + {entry}]",
            "call {target_of}",
            "add rsp, 8",
            "pop r9",
            "pop r8",
            "pop rcx",
            "pop rdx",
            "pop rsi",
            "pop rdi",
            "jmp rax",
            entry = sym $entry,
            target_of = sym target_of,
        )
    };
}

#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    ($entry:ident) => {
        core::arch::naked_asm!(
            "hint 34", // bti c
            "adrp x16, {entry}",
            "add x16, x16, :lo12:{entry}",
            "ldr x17, [x16]",
            "cbz x17, 2f",
            "br x17",
            "2: stp x29, x30, [sp, #-80]!",
            "mov x29, sp",
            "stp x0, x1, [sp, #16]",
            "stp x2, x3, [sp, #32]",
            "stp x4, x5, [sp, #48]",
            "mov x0, x16",
            "bl {target_of}",
            "mov x17, x0",
            "ldp x0, x1, [sp, #16]",
            "ldp x2, x3, [sp, #32]",
            "ldp x4, x5, [sp, #48]",
            "ldp x29, x30, [sp], #80",
            "br x17",
            entry = sym $entry,
            target_of = sym target_of,
        )
    };
}

macro_rules! entries {
    ($($constant:ident $function:ident $name:literal $module:ident::$tracked:ident, $early:expr;)*) => {
        $(
            pub static $constant: Entry = Entry::new(
                $name,
                $module::$tracked::<false> as *const c_void,
                $module::$tracked::<true> as *const c_void,
                $early as *const c_void,
            );

            #[doc = concat!("`", stringify!($function), "`, which goes on where [`", stringify!($constant), "`] says.")]
            ///
            /// # Safety
            /// As the function of this name.
            #[cfg_attr(not(test), no_mangle)]
            #[unsafe(naked)]
            #[allow(non_snake_case)] // C++'s are mangled.
            pub unsafe extern "C" fn $function() {
                jump!($constant)
            }
        )*

        fn all() -> impl Iterator<Item = &'static Entry> {
            // malloc and its kin come first: the loader may call them when it looks for the others.
            [$(&$constant),*].into_iter()
        }
    };
}

// As stdlib.h, malloc.h, sys/mman.h and C++'s <new> declare them.
entries! {
    MALLOC malloc c"malloc" heap::malloc, early::malloc;
    FREE free c"free" heap::free, early::free;
    CALLOC calloc c"calloc" heap::calloc, early::calloc;
    REALLOC realloc c"realloc" heap::realloc, early::realloc;
    REALLOCARRAY reallocarray c"reallocarray" heap::reallocarray, early::nothing;
    POSIX_MEMALIGN posix_memalign c"posix_memalign" heap::posix_memalign, early::no_memory;
    ALIGNED_ALLOC aligned_alloc c"aligned_alloc" heap::aligned_alloc, early::nothing;
    MEMALIGN memalign c"memalign" heap::memalign, early::nothing;
    VALLOC valloc c"valloc" heap::valloc, early::nothing;
    PVALLOC pvalloc c"pvalloc" heap::pvalloc, early::nothing;
    FREE_SIZED free_sized c"free_sized" heap::free_sized, early::free;
    FREE_ALIGNED_SIZED free_aligned_sized c"free_aligned_sized" heap::free_aligned_sized, early::free;
    NEW _Znwm c"_Znwm" heap::new, early::nothing;
    NEW_ARRAY _Znam c"_Znam" heap::new_array, early::nothing;
    NEW_NOTHROW _ZnwmRKSt9nothrow_t c"_ZnwmRKSt9nothrow_t" heap::new_nothrow, early::nothing;
    NEW_ARRAY_NOTHROW _ZnamRKSt9nothrow_t c"_ZnamRKSt9nothrow_t" heap::new_array_nothrow, early::nothing;
    NEW_ALIGNED _ZnwmSt11align_val_t c"_ZnwmSt11align_val_t" heap::new_aligned, early::nothing;
    NEW_ARRAY_ALIGNED _ZnamSt11align_val_t c"_ZnamSt11align_val_t" heap::new_array_aligned, early::nothing;
    NEW_ALIGNED_NOTHROW _ZnwmSt11align_val_tRKSt9nothrow_t c"_ZnwmSt11align_val_tRKSt9nothrow_t"
        heap::new_aligned_nothrow, early::nothing;
    NEW_ARRAY_ALIGNED_NOTHROW _ZnamSt11align_val_tRKSt9nothrow_t c"_ZnamSt11align_val_tRKSt9nothrow_t"
        heap::new_array_aligned_nothrow, early::nothing;
    DELETE _ZdlPv c"_ZdlPv" heap::delete, early::free;
    DELETE_ARRAY _ZdaPv c"_ZdaPv" heap::delete_array, early::free;
    DELETE_SIZED _ZdlPvm c"_ZdlPvm" heap::delete_sized, early::free;
    DELETE_ARRAY_SIZED _ZdaPvm c"_ZdaPvm" heap::delete_array_sized, early::free;
    DELETE_NOTHROW _ZdlPvRKSt9nothrow_t c"_ZdlPvRKSt9nothrow_t" heap::delete_nothrow, early::free;
    DELETE_ARRAY_NOTHROW _ZdaPvRKSt9nothrow_t c"_ZdaPvRKSt9nothrow_t" heap::delete_array_nothrow, early::free;
    DELETE_ALIGNED _ZdlPvSt11align_val_t c"_ZdlPvSt11align_val_t" heap::delete_aligned, early::free;
    DELETE_ARRAY_ALIGNED _ZdaPvSt11align_val_t c"_ZdaPvSt11align_val_t" heap::delete_array_aligned, early::free;
    DELETE_ALIGNED_NOTHROW _ZdlPvSt11align_val_tRKSt9nothrow_t c"_ZdlPvSt11align_val_tRKSt9nothrow_t"
        heap::delete_aligned_nothrow, early::free;
    DELETE_ARRAY_ALIGNED_NOTHROW _ZdaPvSt11align_val_tRKSt9nothrow_t c"_ZdaPvSt11align_val_tRKSt9nothrow_t"
        heap::delete_array_aligned_nothrow, early::free;
    DELETE_SIZED_ALIGNED _ZdlPvmSt11align_val_t c"_ZdlPvmSt11align_val_t" heap::delete_sized_aligned, early::free;
    DELETE_ARRAY_SIZED_ALIGNED _ZdaPvmSt11align_val_t c"_ZdaPvmSt11align_val_t"
        heap::delete_array_sized_aligned, early::free;
    MMAP mmap c"mmap" mappings::mmap, early::mmap;
    MMAP64 mmap64 c"mmap64" mappings::mmap64, early::mmap;
    MREMAP mremap c"mremap" mappings::mremap, early::mremap;
    MUNMAP munmap c"munmap" mappings::munmap, early::munmap;
}

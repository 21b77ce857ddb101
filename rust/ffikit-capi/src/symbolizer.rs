//! Addresses to frames, for C.

use crate::result::{c_text, ffikit_rs_error};
use crate::status::{borrowed, ffikit_rs_status, options_of, output, run};
use ffikit::{Frame, Symbolizer, SymbolizerOptions};
use std::ffi::{c_char, CString, OsStr};
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bit of ffikit_rs_frame.flags: inlined into the next frame of the same address.
pub const FFIKIT_RS_FRAME_INLINED: u32 = 1;
/// Bit of ffikit_rs_frame.flags: a language's own machinery.
pub const FFIKIT_RS_FRAME_RUNTIME: u32 = 2;

/// A live symbolizer. All zero is no symbolizer: freeing it does nothing.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ffikit_rs_symbolizer {
    /// Which one it is; the same number as ffikit.h's ffikit_symbolizer has.
    pub bits: u64,
}

/// How a symbolizer works. Zero everywhere but struct_size is the default.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ffikit_rs_symbolizer_options {
    /// sizeof the structure.
    pub struct_size: usize,
    /// Folders of separate debug files, joined by ':'.
    pub debug_dirs: *const c_char,
    /// 0 means /usr/lib/debug.
    pub debug_dirs_len_bytes: usize,
}

/// One frame. Its strings live as long as the ffikit_rs_frames and end in a
/// NUL byte; an unknown one is "".
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ffikit_rs_frame {
    /// Size of this structure in the library: which fields there are.
    pub struct_size: usize,
    /// Which of the asked addresses it belongs to.
    pub address_index: usize,
    /// That address.
    pub virt_addr: u64,
    /// Readable name.
    pub function: *const c_char,
    /// Name in the object file, where it differs.
    pub linkage_name: *const c_char,
    /// "c", "c++", "rust", "go", "cython", "asm" or "".
    pub language: *const c_char,
    /// Source path.
    pub file: *const c_char,
    /// From 1; 0 is unknown.
    pub line: u32,
    /// From 1; 0 is unknown.
    pub column: u32,
    /// FFIKIT_RS_FRAME_ bits.
    pub flags: u32,
}

/// Frames of a number of addresses, owned by who received it.
pub struct ffikit_rs_frames {
    frames: Vec<ffikit_rs_frame>,
    /// What the frames point to.
    _texts: Vec<CString>,
}

impl ffikit_rs_frames {
    fn new(resolved: Vec<Vec<Frame>>) -> Self {
        let mut texts = Vec::new();
        let mut keep = |text: Option<Vec<u8>>| match text {
            None => c"".as_ptr(),
            Some(text) => {
                let text = c_text(text);
                // The bytes stay where they are when the CString moves.
                let data = text.as_ptr();
                texts.push(text);
                data
            }
        };
        let mut frames = Vec::new();
        for (address_index, of_address) in resolved.into_iter().enumerate() {
            for frame in of_address {
                frames.push(ffikit_rs_frame {
                    struct_size: size_of::<ffikit_rs_frame>(),
                    address_index,
                    virt_addr: frame.virt_addr,
                    function: keep(frame.function.map(String::into_bytes)),
                    linkage_name: keep(frame.linkage_name.map(String::into_bytes)),
                    language: keep(frame.language.map(String::into_bytes)),
                    file: keep(frame.file.map(|file| file.as_os_str().as_bytes().to_vec())),
                    line: frame.line.unwrap_or(0),
                    column: frame.column.unwrap_or(0),
                    flags: if frame.inlined { FFIKIT_RS_FRAME_INLINED } else { 0 }
                        | if frame.runtime { FFIKIT_RS_FRAME_RUNTIME } else { 0 },
                });
            }
        }
        ffikit_rs_frames {
            frames,
            _texts: texts,
        }
    }
}

/// Makes a symbolizer. options may be NULL.
///
/// # Safety
/// `options` is NULL or a structure with its size in struct_size;
/// `symbolizer_out` and `err_out` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_symbolizer_new(
    options: *const ffikit_rs_symbolizer_options,
    symbolizer_out: *mut ffikit_rs_symbolizer,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    let body = || {
        let out = output("symbolizer_out", symbolizer_out)?;
        // SAFETY: as promised by the caller; zero is no folder.
        let options = unsafe { options_of(options)? };
        // SAFETY: as promised by the caller.
        let folders = unsafe {
            borrowed(
                "debug_dirs",
                options.debug_dirs.cast::<u8>(),
                options.debug_dirs_len_bytes,
            )?
        };
        let mut with = SymbolizerOptions::new();
        if !folders.is_empty() {
            for folder in folders.split(|&byte| byte == b':') {
                with = with.debug_dir(OsStr::from_bytes(folder));
            }
        }
        let bits = Symbolizer::with_options(&with)?.into_bits();
        // SAFETY: checked by output, writable as promised.
        unsafe { out.write(ffikit_rs_symbolizer { bits }) };
        Ok(())
    };
    // SAFETY: as promised by the caller.
    unsafe { run(err_out, body) }
}

/// Frees a symbolizer; the zero handle and one that was freed are ignored.
/// Frames that it gave stay valid.
#[no_mangle]
pub extern "C" fn ffikit_rs_symbolizer_free(self_: ffikit_rs_symbolizer) {
    ffikit_barrier::guard(|| drop(Symbolizer::from_bits(self_.bits)));
}

/// Turns file-virtual addresses of the ELF file at path into frames: for each
/// address, in order, its frames leaf first, inlined calls included. The
/// frames are the caller's.
///
/// # Safety
/// `path` and `virt_addrs` are NULL or have as many bytes and numbers as is
/// said; `frames_out` and `err_out` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_symbolizer_resolve(
    self_: ffikit_rs_symbolizer,
    path: *const c_char,
    path_len_bytes: usize,
    virt_addrs: *const u64,
    virt_addrs_count: usize,
    frames_out: *mut *mut ffikit_rs_frames,
    err_out: *mut *mut ffikit_rs_error,
) -> ffikit_rs_status {
    let body = || {
        let out = output("frames_out", frames_out)?;
        // SAFETY: as promised by the caller.
        let (path, virt_addrs) = unsafe {
            (
                borrowed("path", path.cast::<u8>(), path_len_bytes)?,
                borrowed("virt_addrs", virt_addrs, virt_addrs_count)?,
            )
        };
        // Lent by the caller: not freed here.
        let symbolizer = ManuallyDrop::new(Symbolizer::from_bits(self_.bits));
        let resolved = symbolizer.resolve(Path::new(OsStr::from_bytes(path)), virt_addrs)?;
        let frames = Box::into_raw(Box::new(ffikit_rs_frames::new(resolved)));
        // SAFETY: checked by output, writable as promised.
        unsafe { out.write(frames) };
        Ok(())
    };
    // SAFETY: as promised by the caller.
    unsafe { run(err_out, body) }
}

/// How many frames there are for all addresses together. NULL has none.
///
/// # Safety
/// `frames` is NULL or frames that were not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_frames_len(frames: *const ffikit_rs_frames) -> usize {
    // SAFETY: as promised by the caller.
    unsafe { frames.as_ref() }.map_or(0, |frames| frames.frames.len())
}

/// The frame at index, ordered by address_index, leaf first within one
/// address; NULL where index is out of range. It lives as long as frames.
///
/// # Safety
/// `frames` is NULL or frames that were not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_frames_at(
    frames: *const ffikit_rs_frames,
    index: usize,
) -> *const ffikit_rs_frame {
    // SAFETY: as promised by the caller.
    let frames = unsafe { frames.as_ref() };
    frames
        .and_then(|frames| frames.frames.get(index))
        .map_or(std::ptr::null(), |frame| frame)
}

/// Frees frames; NULL is ignored.
///
/// # Safety
/// `frames` is NULL or frames that were not freed.
#[no_mangle]
pub unsafe extern "C" fn ffikit_rs_frames_free(frames: *mut ffikit_rs_frames) {
    if !frames.is_null() {
        // SAFETY: as promised by the caller; they came from Box::into_raw.
        drop(unsafe { Box::from_raw(frames) });
    }
}

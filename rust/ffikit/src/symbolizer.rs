//! Addresses to frames.

use crate::error::{check, text_of, Error};
use ffikit_sys as sys;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One logical call; an inlined call is a frame of its own. What is not
/// known is `None`, never a guess.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Frame {
    /// The file-virtual address that was asked for.
    pub virt_addr: u64,
    /// Readable name.
    pub function: Option<String>,
    /// Name in the object file, where it differs from the readable one.
    pub linkage_name: Option<String>,
    /// `c`, `c++`, `rust`, `go`, `cython` or `asm`.
    pub language: Option<String>,
    /// Source path.
    pub file: Option<PathBuf>,
    /// Source line, from 1.
    pub line: Option<u32>,
    /// Source column in bytes, from 1.
    pub column: Option<u32>,
    /// Whether the call was inlined into the next frame of the same address.
    pub inlined: bool,
    /// Whether it is a language's own machinery, such as Go's scheduler.
    pub runtime: bool,
}

impl Frame {
    /// # Safety
    /// `frame`'s strings are alive.
    unsafe fn copy(frame: &sys::ffikit_frame) -> Self {
        // SAFETY: as promised by the caller; ffikit.h says that strings of a
        // frame end in NUL.
        let text = |text| Some(unsafe { text_of(text) }).filter(|text| !text.is_empty());
        Frame {
            virt_addr: frame.virt_addr,
            function: text(frame.function),
            linkage_name: text(frame.linkage_name),
            language: text(frame.language),
            // SAFETY: the same; a path is bytes, not text.
            file: unsafe { path_of(frame.file) },
            line: Some(frame.line).filter(|&line| line != 0),
            column: Some(frame.column).filter(|&column| column != 0),
            inlined: frame.flags & sys::FFIKIT_FRAME_INLINED != 0,
            runtime: frame.flags & sys::FFIKIT_FRAME_RUNTIME != 0,
        }
    }
}

/// # Safety
/// `path` is null or ends in a NUL byte.
unsafe fn path_of(path: *const std::ffi::c_char) -> Option<PathBuf> {
    if path.is_null() {
        return None;
    }
    // SAFETY: as promised by the caller.
    let bytes = unsafe { std::ffi::CStr::from_ptr(path) }.to_bytes();
    (!bytes.is_empty()).then(|| PathBuf::from(OsString::from_vec(bytes.to_vec())))
}

/// How a [`Symbolizer`] works.
///
/// ```
/// use ffikit::{Symbolizer, SymbolizerOptions};
/// # fn main() -> Result<(), ffikit::Error> {
/// let options = SymbolizerOptions::new().debug_dir("/usr/lib/debug").debug_dir("/opt/debug");
/// let symbolizer = Symbolizer::with_options(&options)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SymbolizerOptions {
    debug_dirs: Vec<PathBuf>,
}

impl SymbolizerOptions {
    /// The default: separate debug files are looked for in `/usr/lib/debug`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder of separate debug files; the first one replaces the
    /// default.
    #[must_use]
    pub fn debug_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.debug_dirs.push(folder.into());
        self
    }

    /// The folders as ffikit.h has them, joined by ':'.
    fn joined(&self) -> Result<Vec<u8>, Error> {
        let folders: Vec<&[u8]> = self
            .debug_dirs
            .iter()
            .map(|folder| folder.as_os_str().as_bytes())
            .collect();
        if let Some(folder) = folders
            .iter()
            .find(|folder| folder.is_empty() || folder.contains(&b':'))
        {
            return Err(Error::Argument(format!(
                "debug folder {:?}: must not be empty and must not hold ':'",
                String::from_utf8_lossy(folder)
            )));
        }
        Ok(folders.join(&b':'))
    }
}

/// Turns file-virtual addresses of ELF files into frames.
///
/// It opens files when it is first asked for them and keeps them open until
/// it is dropped. Threads may share it.
///
/// ```
/// use ffikit::Symbolizer;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let symbolizer = Symbolizer::new()?;
/// let nowhere = symbolizer.resolve(&std::env::current_exe()?, &[0])?;
/// assert_eq!(nowhere, [vec![]]); // nothing is known of address 0
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Symbolizer {
    handle: sys::ffikit_symbolizer,
}

impl Symbolizer {
    /// A symbolizer with the default options.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Panic`], [`Error::Abi`]; those can come
    /// from every function of this crate.
    pub fn new() -> Result<Self, Error> {
        Self::with_options(&SymbolizerOptions::new())
    }

    /// A symbolizer with these options.
    ///
    /// # Errors
    /// [`Error::Argument`] for a folder that is empty or holds a colon.
    pub fn with_options(options: &SymbolizerOptions) -> Result<Self, Error> {
        let debug_dirs = options.joined()?;
        let options = sys::ffikit_symbolizer_options {
            struct_size: size_of::<sys::ffikit_symbolizer_options>(),
            debug_dirs: debug_dirs.as_ptr().cast(),
            debug_dirs_len_bytes: debug_dirs.len(),
        };
        let mut handle = sys::ffikit_symbolizer { bits: 0 };
        // SAFETY: options and what it points to live until the call is over;
        // handle and error are writable.
        check(|error| unsafe { sys::ffikit_symbolizer_new(&options, &mut handle, error) })?;
        Ok(Symbolizer { handle })
    }

    /// The frames of each address, in the order of `virt_addrs`: leaf first,
    /// inlined calls included. An address of which nothing is known has none.
    ///
    /// A file-virtual address is what the ELF file itself says (`nm`,
    /// `objdump`): the address at run time less the load bias.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Io`], [`Error::Format`] where the file is
    /// not ELF or is broken, [`Error::Limit`].
    pub fn resolve(&self, path: &Path, virt_addrs: &[u64]) -> Result<Vec<Vec<Frame>>, Error> {
        let path = path.as_os_str().as_bytes();
        let mut frames = std::ptr::null_mut();
        // SAFETY: path and virt_addrs are borrowed for the call; frames and
        // error are writable.
        check(|error| unsafe {
            sys::ffikit_symbolizer_resolve(
                self.handle,
                path.as_ptr().cast(),
                path.len(),
                virt_addrs.as_ptr(),
                virt_addrs.len(),
                &mut frames,
                error,
            )
        })?;
        let frames = Frames(frames);
        let mut resolved = vec![Vec::new(); virt_addrs.len()];
        for index in 0..frames.len() {
            if let Some((address_index, frame)) = frames.at(index) {
                if let Some(of_address) = resolved.get_mut(address_index) {
                    of_address.push(frame);
                }
            }
        }
        Ok(resolved)
    }

    /// The handle as a number, for another library of this process that uses
    /// the same libffikit; the symbolizer stays this one's.
    pub fn bits(&self) -> u64 {
        self.handle.bits
    }

    /// Gives the handle away without freeing it.
    #[must_use = "the handle must be freed by who gets it"]
    pub fn into_bits(self) -> u64 {
        std::mem::ManuallyDrop::new(self).handle.bits
    }

    /// Takes a handle that another library of this process got from the same
    /// libffikit, and frees it when dropped; wrap it in
    /// [`ManuallyDrop`](std::mem::ManuallyDrop) to only borrow it.
    ///
    /// Any number is safe: libffikit checks handles, and a wrong one makes
    /// each call end in [`Error::Handle`].
    pub fn from_bits(bits: u64) -> Self {
        Symbolizer {
            handle: sys::ffikit_symbolizer { bits },
        }
    }
}

impl Drop for Symbolizer {
    fn drop(&mut self) {
        // SAFETY: any handle may be freed, also one that is stale.
        unsafe { sys::ffikit_symbolizer_free(self.handle) }
    }
}

/// Owns an `ffikit_frames`.
struct Frames(*mut sys::ffikit_frames);

impl Frames {
    fn len(&self) -> usize {
        // SAFETY: the pointer is ours and alive.
        unsafe { sys::ffikit_frames_len(self.0) }
    }

    fn at(&self, index: usize) -> Option<(usize, Frame)> {
        // SAFETY: the pointer is ours and alive; the frame is null or lives as
        // long, and is copied here.
        unsafe {
            let frame = sys::ffikit_frames_at(self.0, index).as_ref()?;
            Some((frame.address_index, Frame::copy(frame)))
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours, and freed once.
        unsafe { sys::ffikit_frames_free(self.0) }
    }
}

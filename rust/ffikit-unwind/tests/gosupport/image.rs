//! A Go program's file, mapped where it wants to lie but not run: its tables can be read as in a process.

use ffikit_unwind::module::Module;
use std::path::Path;

/// A mapped program (not position independent). One at a time: they all want the same addresses.
pub struct Image {
    pub module: Module,
    start: *mut libc::c_void,
    len: usize,
}

impl Image {
    pub fn map(path: &Path) -> Image {
        let file = std::fs::read(path).unwrap();
        Image::of(&file)
    }

    pub fn of(file: &[u8]) -> Image {
        let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        let half = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
        assert_eq!(
            (&file[..5], half(16)),
            (&b"\x7fELF\x02"[..], 2),
            "an ET_EXEC of 64 bits"
        );
        let headers = (0..half(56) as usize).map(|index| word(32) as usize + 56 * index);
        // offset, address, size in the file, size in memory
        let loads: Vec<_> = headers
            .filter(|at| file[*at..*at + 4] == [1, 0, 0, 0])
            .map(|at| {
                (
                    word(at + 8) as usize,
                    word(at + 16),
                    word(at + 32) as usize,
                    word(at + 40),
                )
            })
            .collect();
        let low = loads.iter().map(|load| load.1 & !4095).min().unwrap();
        let high = loads.iter().map(|load| load.1 + load.3).max().unwrap();
        let len = (high - low) as usize;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE;
        // SAFETY: fails where something is mapped already.
        let start = unsafe {
            libc::mmap(
                low as *mut _,
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            )
        };
        assert_eq!(start as u64, low, "{}", std::io::Error::last_os_error());
        for (offset, address, in_file, _) in loads {
            let bytes = &file[offset..offset + in_file];
            // SAFETY: within what was mapped above.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
        }
        let module = Module {
            start: low,
            end: high,
            bias: 0,
            eh_frame_hdr: 0,
            link_map: 0,
        };
        Image { module, start, len }
    }

    /// The mapped bytes at an address.
    pub fn bytes(&mut self, address: u64, len: usize) -> &mut [u8] {
        assert!(address >= self.module.start && address + len as u64 <= self.module.end);
        // SAFETY: mapped for as long as `self` lives, and only written through it.
        unsafe { std::slice::from_raw_parts_mut(address as *mut u8, len) }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`, and nothing refers to it any more.
        unsafe { libc::munmap(self.start, self.len) };
    }
}

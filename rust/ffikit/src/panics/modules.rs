//! Which loaded file an address lies in, and where in that file.

use super::PanicFrame;
use crate::Frame;
use std::ffi::{c_int, c_void, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A loaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) path: PathBuf,
    pub(super) build_id: Option<String>,
    /// Why the file at the path is not the one that was loaded, if it is not.
    pub(super) changed: Option<String>,
}

/// An address and the place that it stands for.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) abs_addr: u64,
    pub(super) virt_addr: u64,
    pub(super) module: Option<Module>,
}

impl Located {
    /// The frame while nothing but the address is known.
    pub(super) fn unnamed(&self) -> PanicFrame {
        PanicFrame {
            frame: Frame {
                virt_addr: self.virt_addr,
                ..Frame::default()
            },
            abs_addr: self.abs_addr,
            module: self.module.as_ref().map(|module| module.path.clone()),
            build_id: self.module.as_ref().and_then(|module| module.build_id.clone()),
        }
    }
}

pub(super) fn distinct(located: &[Located]) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    for module in located.iter().filter_map(|address| address.module.as_ref()) {
        if !modules.contains(module) {
            modules.push(module.clone());
        }
    }
    modules
}

pub(super) fn locate(abs_addrs: &[u64]) -> Vec<Located> {
    let objects = loaded_objects();
    // The kernel's list has absolute paths, which the loader's has not.
    let mappings = std::fs::read("/proc/self/maps").unwrap_or_default();
    abs_addrs
        .iter()
        .map(|&abs_addr| {
            let object = objects.iter().find(|object| object.contains(abs_addr));
            let file = mapped_file(&mappings, abs_addr);
            Located {
                abs_addr,
                virt_addr: object.map_or(0, |object| abs_addr.wrapping_sub(object.load_bias)),
                module: object.and(file).map(|file| Module {
                    changed: file.changed(),
                    path: file.path,
                    build_id: object.and_then(|object| object.build_id.clone()),
                }),
            }
        })
        .collect()
}

/// An object as the loader knows it.
#[derive(Default)]
struct Object {
    load_bias: u64,
    /// Start and length of each loaded segment, as absolute addresses.
    segments: Vec<(u64, u64)>,
    build_id: Option<String>,
}

impl Object {
    fn contains(&self, abs_addr: u64) -> bool {
        self.segments
            .iter()
            .any(|&(start, length)| abs_addr.wrapping_sub(start) < length)
    }
}

fn loaded_objects() -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    // SAFETY: visit_object gets the pointer back while objects is alive, and
    // nobody else uses it.
    unsafe { libc::dl_iterate_phdr(Some(visit_object), (&raw mut objects).cast()) };
    objects
}

extern "C" fn visit_object(info: *mut libc::dl_phdr_info, _: usize, argument: *mut c_void) -> c_int {
    // SAFETY: the loader's own description, valid during this call, and the
    // Vec that loaded_objects passed.
    let (info, objects) = unsafe { (&*info, &mut *argument.cast::<Vec<Object>>()) };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader says that there are so many program headers.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let mut object = Object {
        load_bias: info.dlpi_addr,
        ..Object::default()
    };
    for header in headers {
        let start = info.dlpi_addr.wrapping_add(header.p_vaddr);
        match header.p_type {
            libc::PT_LOAD => object.segments.push((start, header.p_memsz)),
            libc::PT_NOTE if object.build_id.is_none() => {
                // SAFETY: notes lie within a loaded segment, which stays while
                // the loader holds its lock for this call.
                let notes = unsafe {
                    std::slice::from_raw_parts(start as *const u8, header.p_memsz.min(1 << 16) as usize)
                };
                object.build_id = build_id(notes, header.p_align.max(4));
            }
            _ => {}
        }
    }
    objects.push(object);
    0
}

/// The description of the note NT_GNU_BUILD_ID (gABI "Note Section": three
/// words, the name and the description, each padded).
fn build_id(mut notes: &[u8], align: u64) -> Option<String> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let word = |bytes: &[u8], index: usize| -> Option<u32> {
        Some(u32::from_ne_bytes(
            bytes.get(4 * index..4 * index + 4)?.try_into().ok()?,
        ))
    };
    let padded = |length: u32| usize::try_from(u64::from(length).next_multiple_of(align.clamp(4, 8))).ok();
    while notes.len() >= 12 {
        let (name_len, description_len, kind) = (word(notes, 0)?, word(notes, 1)?, word(notes, 2)?);
        let name = notes.get(12..)?.get(..name_len as usize)?;
        let description = notes.get(12..)?.get(padded(name_len)?..)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            let id = description.get(..description_len as usize)?;
            return Some(id.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        notes = description.get(padded(description_len)?..)?;
    }
    None
}

/// A file as /proc/self/maps names it.
struct MappedFile {
    path: PathBuf,
    inode: u64,
}

impl MappedFile {
    /// A file that was replaced since it was loaded would give names of
    /// another program.
    fn changed(&self) -> Option<String> {
        match std::fs::metadata(&self.path) {
            Ok(file) if file.ino() == self.inode => None,
            Ok(_) => Some("the file is not the one that was loaded: it was replaced since".to_owned()),
            Err(error) => Some(format!("the file that was loaded is gone: {error}")),
        }
    }
}

/// The file at an address (proc_pid_maps(5): start-end perms offset device
/// inode path).
fn mapped_file(mappings: &[u8], abs_addr: u64) -> Option<MappedFile> {
    mappings.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut range = std::str::from_utf8(fields.next()?).ok()?.splitn(2, '-');
        let start = u64::from_str_radix(range.next()?, 16).ok()?;
        let end = u64::from_str_radix(range.next()?, 16).ok()?;
        if !(start..end).contains(&abs_addr) {
            return None;
        }
        let inode = std::str::from_utf8(fields.nth(3)?).ok()?.parse().ok()?;
        let path = fields.next()?.trim_ascii_start();
        path.starts_with(b"/").then(|| MappedFile {
            path: PathBuf::from(OsStr::from_bytes(
                path.strip_suffix(b" (deleted)").unwrap_or(path),
            )),
            inode,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_id_among_other_notes() {
        let mut notes = Vec::new();
        for (kind, name, description) in [
            (1, &b"GNU\0"[..], &[9; 16][..]),
            (4, b"Go\0\0", b"abc"),
            (3, b"GNU\0", &[0xAB, 0x01, 0xFF]),
        ] {
            notes.extend(
                [name.len() as u32, description.len() as u32, kind]
                    .iter()
                    .flat_map(|w| w.to_ne_bytes()),
            );
            notes.extend(name);
            notes.extend(description);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(build_id(&notes, 4).as_deref(), Some("ab01ff"));
        for length in 0..notes.len() - 4 {
            assert_eq!(build_id(&notes[..length], 4), None, "cut to {length} bytes");
        }
        assert_eq!(build_id(&[0xFF; 64], 4), None);
    }

    #[test]
    fn mapping_of_an_address() {
        let maps = b"1000-2000 r-xp 00000000 fe:01 77    /usr/lib/a b.so\n\
            2000-3000 rw-p 00000000 00:00 0 \n\
            4000-5000 r-xp 00001000 fe:01 78    /tmp/gone (deleted)\n";
        let file = mapped_file(maps, 0x1fff).unwrap();
        assert_eq!((file.path.to_str(), file.inode), (Some("/usr/lib/a b.so"), 77));
        assert_eq!(
            mapped_file(maps, 0x4000).unwrap().path.to_str(),
            Some("/tmp/gone")
        );
        for nowhere in [0, 0xfff, 0x2000, 0x3000, 0x5000] {
            assert!(mapped_file(maps, nowhere).is_none(), "{nowhere:#x}");
        }
    }

    #[test]
    fn a_file_that_was_replaced_is_not_read() {
        let path = std::env::current_exe().unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        assert_eq!(
            MappedFile {
                path: path.clone(),
                inode
            }
            .changed(),
            None
        );
        let replaced = MappedFile {
            path,
            inode: inode + 1,
        }
        .changed();
        assert!(replaced.is_some_and(|reason| reason.contains("replaced")));
        let gone = MappedFile {
            path: "/no/such/file".into(),
            inode,
        }
        .changed();
        assert!(gone.is_some_and(|reason| reason.contains("gone")));
    }
}

//! A file that is only appended to, in a process that may close what it did not
//! open, change its user, or fork.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::*};

const PATH_BYTES: usize = 4096;

/// The value of `FFIKIT_COMPANION` or `FFIKIT_HUNT`: programs change their environment.
static PREFIX: [AtomicU8; PATH_BYTES] = [const { AtomicU8::new(0) }; PATH_BYTES];
static PREFIX_LEN: AtomicUsize = AtomicUsize::new(0);

/// Room for the decimal numbers of a process and of a file, with their dots and the final zero.
const SUFFIX_BYTES: usize = 32;

/// Remembers where evidence goes. False: the path is not absolute, or too long.
pub fn remember(prefix: &CStr) -> bool {
    let bytes = prefix.to_bytes();
    if bytes.first() != Some(&b'/') || bytes.len() > PATH_BYTES - SUFFIX_BYTES {
        return false;
    }
    for (to, from) in PREFIX.iter().zip(bytes) {
        to.store(*from, Relaxed);
    }
    PREFIX_LEN.store(bytes.len(), Release);
    true
}

/// A path, as the kernel takes it.
pub struct Path {
    bytes: [u8; PATH_BYTES],
    len: usize,
}

impl Path {
    /// `name.PROCESS` in the folder of the evidence, or the evidence file itself (None).
    pub fn of(process: u32, name: Option<&[u8]>) -> Path {
        let mut path = Path {
            bytes: [0; PATH_BYTES],
            len: 0,
        };
        for byte in PREFIX.iter().take(PREFIX_LEN.load(Acquire)) {
            path.push(byte.load(Relaxed));
        }
        if let Some(name) = name {
            while path.len > 0 && path.bytes.get(path.len - 1) != Some(&b'/') {
                path.len -= 1;
            }
            for byte in name {
                path.push(*byte);
            }
        }
        path.push(b'.');
        path.push_number(process);
        path.end();
        path
    }

    /// The path with `.NUMBER` behind it.
    pub fn numbered(mut self, number: u32) -> Path {
        self.push(b'.');
        self.push_number(number);
        self.end();
        self
    }

    /// The path, without the zero behind it.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push_number(&mut self, number: u32) {
        let mut divisor = 1_000_000_000;
        while divisor > 1 && number < divisor {
            divisor /= 10;
        }
        while divisor > 0 {
            self.push(b'0' + (number / divisor % 10) as u8);
            divisor /= 10;
        }
    }

    fn end(&mut self) {
        if let Some(end) = self.bytes.get_mut(self.len) {
            *end = 0;
        }
    }

    fn push(&mut self, byte: u8) {
        if self.len < PATH_BYTES - 1 {
            if let Some(to) = self.bytes.get_mut(self.len) {
                *to = byte;
                self.len += 1;
            }
        }
    }

    /// Opens it; the descriptor, or -1.
    pub fn open(&self, flags: i32) -> i32 {
        let flags = flags | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        // SAFETY: a path that ends with zero.
        unsafe {
            libc::syscall(
                libc::SYS_openat,
                libc::AT_FDCWD,
                self.bytes.as_ptr(),
                flags,
                0o600,
            ) as i32
        }
    }
}

/// Reads the beginning of a file; how much there was.
pub fn read(path: &CStr, into: &mut [u8]) -> usize {
    // SAFETY: a path that ends with zero, and `into` is ours to write.
    unsafe {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        let descriptor = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) as i32;
        if descriptor < 0 {
            return 0;
        }
        let len = libc::syscall(libc::SYS_read, descriptor, into.as_mut_ptr(), into.len());
        close(descriptor);
        len.max(0) as usize
    }
}

/// What a symbolic link names, without a zero behind it; how long that is. errno stays.
pub fn read_link(path: &CStr, into: &mut [u8]) -> usize {
    // SAFETY: a path that ends with zero, and `into` is ours to write.
    unsafe {
        let errno = *libc::__errno_location();
        let len = libc::syscall(
            libc::SYS_readlinkat,
            libc::AT_FDCWD,
            path.as_ptr(),
            into.as_mut_ptr(),
            into.len(),
        );
        *libc::__errno_location() = errno;
        len.max(0) as usize
    }
}

/// The file of the program that this process runs.
pub const PROGRAM: &CStr = c"/proc/self/exe";

/// Where a descriptor leads: device and file.
pub fn identity(descriptor: i32) -> Option<(u64, u64)> {
    let mut status = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel fills `status` where it returns 0; zeros are a value of it too.
    unsafe {
        let failed = libc::fstat(descriptor, status.as_mut_ptr()) != 0;
        let status = status.assume_init();
        let is_file = status.st_mode & libc::S_IFMT == libc::S_IFREG;
        (!failed && is_file).then_some((status.st_dev, status.st_ino))
    }
}

pub fn close(descriptor: i32) {
    // SAFETY: the caller's own.
    unsafe { libc::syscall(libc::SYS_close, descriptor) };
}

/// The evidence file of one process.
pub struct File {
    descriptor: i32,
    identity: (u64, u64),
    is_begun: bool,
    /// A record got there in part only: whatever follows could not be read.
    is_torn: bool,
}

impl File {
    pub const fn new() -> File {
        File {
            descriptor: -1,
            identity: (0, 0),
            is_begun: false,
            is_torn: false,
        }
    }

    /// Whether anything was written.
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Opens it if it is not open, or if the program has closed our descriptor and
    /// uses the number for something else.
    fn ready(&mut self, process: u32) -> bool {
        if self.descriptor >= 0 && identity(self.descriptor) == Some(self.identity) {
            return true;
        }
        // What an earlier program of this process left goes, as the sanitizer's log does.
        let replace = if self.is_begun { 0 } else { libc::O_TRUNC };
        let mut opened =
            Path::of(process, None).open(libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | replace);
        if opened < 0 {
            return false;
        }
        // Programs count on the lowest numbers being theirs.
        const OUT_OF_THE_WAY: i32 = 500;
        // SAFETY: our own descriptor.
        let moved = unsafe { libc::fcntl(opened, libc::F_DUPFD_CLOEXEC, OUT_OF_THE_WAY) };
        if moved >= 0 {
            close(opened);
            opened = moved;
        }
        match identity(opened) {
            Some(identity) => {
                self.descriptor = opened;
                self.identity = identity;
                true
            }
            None => {
                close(opened);
                false
            }
        }
    }

    /// Appends by one write. False: it did not get there, or not whole.
    pub fn append(&mut self, process: u32, bytes: &[u8]) -> bool {
        if self.is_torn || !self.ready(process) {
            return false;
        }
        loop {
            // SAFETY: `bytes` can be read. Not libc::write, which sanitizers intercept.
            let written =
                unsafe { libc::syscall(libc::SYS_write, self.descriptor, bytes.as_ptr(), bytes.len()) };
            // SAFETY: errno is always there.
            if written < 0 && unsafe { *libc::__errno_location() } == libc::EINTR {
                continue;
            }
            self.is_begun |= written > 0;
            self.is_torn = written > 0 && written as usize != bytes.len();
            return written == bytes.len() as libc::c_long;
        }
    }
}

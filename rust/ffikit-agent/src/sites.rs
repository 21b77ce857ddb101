//! Places in Python code.
use ffikit_unwind::Frame;
pub fn capacity() -> usize {
    1 << 20
}
pub fn prepare() -> bool {
    true
}
pub fn refused() -> &'static [u8] {
    b""
}
pub struct Site;
pub fn get(_site: u32) -> Site {
    Site
}
impl Site {
    pub fn qualified_name(&self) -> impl Iterator<Item = u8> + '_ {
        [].into_iter()
    }
    pub fn file(&self) -> impl Iterator<Item = u8> + '_ {
        [].into_iter()
    }
    pub fn line(&self) -> u32 {
        0
    }
    pub fn first_line(&self) -> u32 {
        0
    }
}
/// Replaces frames of the interpreter by their sites.
pub fn replace(_frames: &mut [Frame]) {}

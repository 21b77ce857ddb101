//! CPython's frames.
#![allow(missing_docs)]
use crate::module::Module;
pub struct Interpreter {}
pub fn interpreter() -> Option<&'static Interpreter> {
    None
}
pub fn discover(_module: &Module) {}
pub struct Frames {}
pub fn this_thread(_i: &Interpreter) -> Option<Frames> {
    None
}
impl Frames {
    pub fn entry(&self) -> u64 {
        u64::MAX
    }
    pub fn take_run(&mut self, _each: impl FnMut(u64) -> bool) {}
}

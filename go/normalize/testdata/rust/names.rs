// Functions of every kind that rustc names, for the recipe `make-pairs`.
#![crate_type = "cdylib"]
#![allow(dead_code)]
use std::fmt::Debug;

pub struct Holder<T> {
    v: Vec<T>,
}
impl<T: Copy + Debug> Holder<T> {
    #[inline(never)]
    pub fn with_capacity(n: usize, x: T) -> Self {
        Holder { v: vec![x; n] }
    }
    #[inline(never)]
    pub fn each(&self, f: impl Fn(&T) -> usize) -> usize {
        self.v.iter().map(|x| f(x)).sum()
    }
}
pub trait Shape {
    fn area(&self) -> u64;
    #[inline(never)]
    fn twice(&self) -> u64 {
        2 * self.area()
    }
}
impl Shape for Holder<u8> {
    #[inline(never)]
    fn area(&self) -> u64 {
        self.v.len() as u64
    }
}
impl Shape for [u16; 3] {
    #[inline(never)]
    fn area(&self) -> u64 {
        self[0] as u64
    }
}
impl<'a> Shape for &'a str {
    #[inline(never)]
    fn area(&self) -> u64 {
        self.len() as u64
    }
}
impl<A: Shape, B: Shape> Shape for (A, *const B) {
    #[inline(never)]
    fn area(&self) -> u64 {
        self.0.area() + unsafe { (*self.1).area() }
    }
}
mod inner {
    pub mod deeper {
        #[inline(never)]
        pub fn release<const N: usize>(p: &mut [u8; N], f: fn(&mut [u8]) -> bool) -> bool {
            f(&mut p[..])
        }
    }
    #[inline(never)]
    pub fn dynamic(s: &dyn super::Shape) -> u64 {
        s.twice()
    }
}
#[inline(never)]
fn größe(s: &mut Vec<u8>) -> usize {
    s.push(1);
    s.len()
}
#[no_mangle]
pub extern "C" fn entry(n: usize) -> u64 {
    let h = Holder::<u8>::with_capacity(n, 42);
    let w = Holder::<(u8, &str)>::with_capacity(n, (1, "x"));
    let sum = h.each(|x| *x as usize) + w.each(|x| x.1.len());
    let pair = (&"text"[..n], &h as *const Holder<u8>);
    let mut bytes = [0u8; 7];
    inner::deeper::release(&mut bytes, |b| b[0] == 0);
    inner::dynamic(&pair) + inner::dynamic(&[1u16, 2, 3]) + sum as u64 + größe(&mut Vec::with_capacity(n)) as u64
}

//! The Rust program: generics, closures and inlined calls; also built without std.
#![cfg_attr(bare, no_std)]
#![cfg_attr(bare, no_main)]

pub mod parts {
    pub trait Turn {
        fn turn(&self, by: u32) -> u32;
    }
    pub struct Wheel<const TEETH: u32>;
    impl<const TEETH: u32> Turn for Wheel<TEETH> {
        #[inline(always)]
        fn turn(&self, by: u32) -> u32 {
            by.wrapping_mul(TEETH) ^ 1
        }
    }
    #[inline]
    pub fn train<T: Turn>(wheels: &[T], by: u32) -> u32 {
        wheels.iter().fold(by, |sum, wheel| sum.wrapping_add(wheel.turn(by)))
    }
}

#[no_mangle]
#[inline(never)]
pub extern "C" fn engine_run(by: u32) -> u32 {
    let wheels = [parts::Wheel::<17>, parts::Wheel::<17>];
    parts::train(&wheels, by) + parts::train(&[parts::Wheel::<5>], by / 2)
}

#[cfg(not(bare))]
fn main() {
    let text = format!("{}", engine_run(std::env::args().count() as u32));
    std::process::exit(i32::from(text.is_empty()));
}

#[cfg(bare)]
#[panic_handler]
fn stop(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

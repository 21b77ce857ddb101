//! Names the shared library, and keeps it loaded.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo hands a cdylib's link arguments on to every cdylib that depends on
    // this crate (rust-lang/cargo#9562), and those have names of their own.
    let is_wanted = std::env::var_os("CARGO_FEATURE_SHARED_LIBRARY").is_some();
    if is_wanted && std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libffikit_rs.so.0");
        // It may hold a Go runtime (a static libffikit), which cannot be taken
        // out of a process again.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

//! Names the shared library, and keeps it loaded.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libffikit_rs.so.0");
        // It may hold a Go runtime (a static libffikit) and a panic hook,
        // neither of which can be taken out of a process again.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

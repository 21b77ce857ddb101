//! Link arguments of the library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The sanitizer calls into it for as long as the process lives.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libffikit_agent.so");
}

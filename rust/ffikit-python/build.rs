//! Lets the extension find the libffikit that lies beside it in the wheel.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // DT_RPATH, which the loader reads before LD_LIBRARY_PATH, not DT_RUNPATH,
    // which it reads after. Normally neither counts: ffikit._load has loaded
    // libffikit by its absolute path already.
    println!("cargo::rustc-cdylib-link-arg=-Wl,--disable-new-dtags");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-rpath,$ORIGIN");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,now");
    // A thread of Go may still run code here when Python ends.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}

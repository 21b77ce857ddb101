//! Links the program to the record store, and to the sanitizer's runtime: a
//! program, unlike a cdylib, has to be told.
fn main() {
    println!("cargo:rerun-if-env-changed=RECORDS_LIB_DIR");
    let dir = std::env::var("RECORDS_LIB_DIR").expect("RECORDS_LIB_DIR: where libstore.so lies");
    println!("cargo:rustc-link-search=native={dir}");
    println!("cargo:rustc-link-lib=dylib=store");
    for argument in ["-Wl,-rpath,$ORIGIN/lib", "-fsanitize=address", "-shared-libasan"] {
        println!("cargo:rustc-link-arg={argument}");
    }
}

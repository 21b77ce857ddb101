//! Links the extension to the other parts of the record program.
fn main() {
    println!("cargo:rerun-if-env-changed=RECORDS_LIB_DIR");
    let dir = std::env::var("RECORDS_LIB_DIR").expect("RECORDS_LIB_DIR: where libstore.so lies");
    println!("cargo:rustc-link-search=native={dir}");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN");
    for library in ["store", "service", "intake"] {
        println!("cargo:rustc-link-lib=dylib={library}");
    }
}

//! Sets `cfg(ffikit_asan)` when the crate is built for AddressSanitizer.
//!
//! `cfg(sanitize = "address")` cannot be asked for in source code on a stable
//! compiler. Cargo, however, tells build scripts what `rustc --print cfg`
//! says (`CARGO_CFG_SANITIZE`, with nightly or `RUSTC_BOOTSTRAP=1`) and which
//! flags it passes on (`CARGO_ENCODED_RUSTFLAGS`, always). Cargo runs the
//! script again when either changes.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(ffikit_asan)");
    if told_by_cfg() || told_by_flags() {
        println!("cargo::rustc-cfg=ffikit_asan");
    }
}

fn told_by_cfg() -> bool {
    env::var("CARGO_CFG_SANITIZE").is_ok_and(|list| lists_address(&list))
}

/// `-Zsanitizer=address` and `-Z sanitizer=address`, alone or in a list.
fn told_by_flags() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    flags.split('\x1f').any(|flag| {
        flag.strip_prefix("-Z")
            .unwrap_or(flag)
            .strip_prefix("sanitizer=")
            .is_some_and(lists_address)
    })
}

fn lists_address(list: &str) -> bool {
    list.split(',').any(|name| name == "address")
}

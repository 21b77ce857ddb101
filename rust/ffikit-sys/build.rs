//! Finds libffikit, or builds it. See the crate's documentation for the order.

#[path = "build/go.rs"]
mod go;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// pkg-config must not find an older one, nor one that may have changed.
const VERSIONS: std::ops::Range<&str> = "0.1.0".."0.2.0";

fn main() {
    for name in [
        "FFIKIT_LIB_DIR",
        "FFIKIT_INCLUDE_DIR",
        "FFIKIT_STATIC",
        "FFIKIT_NO_PKG_CONFIG",
        "FFIKIT_GO",
        "DOCS_RS",
    ] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rustc-check-cfg=cfg(ffikit_static)");
    if is_set("DOCS_RS") {
        return;
    }
    if let Err(problem) = find() {
        for line in problem.lines() {
            println!("cargo::error={line}");
        }
        std::process::exit(1);
    }
}

fn find() -> Result<(), String> {
    if let Some(folder) = env::var_os("FFIKIT_LIB_DIR") {
        return use_folder(Path::new(&folder));
    }
    let installed = if env::var_os("CARGO_FEATURE_VENDORED").is_some() || is_set("FFIKIT_NO_PKG_CONFIG") {
        Err("not looked for, as asked".to_owned())
    } else {
        use_installed()
    };
    let Err(not_installed) = installed else {
        return Ok(());
    };
    let built = go::source()
        .ok_or_else(|| "this copy of the crate has no Go source".to_owned())
        .and_then(|source| go::build(&source));
    match built {
        Ok(built) => link(&built.folder, true, &built.include),
        Err(not_built) => Err(format!(
            "ffikit-sys: no libffikit.\n\
             FFIKIT_LIB_DIR: not set\n\
             pkg-config: {}\n\
             Go: {not_built}\n\
             Do one of these: set FFIKIT_LIB_DIR to the folder of a built libffikit.so; install libffikit \
             so that `pkg-config --modversion ffikit` works (PKG_CONFIG_PATH); \
             or put Go 1.25 or newer on PATH (or name it in FFIKIT_GO).",
            not_installed.trim().replace('\n', " ")
        )),
    }
}

/// The folder that FFIKIT_LIB_DIR names.
fn use_folder(folder: &Path) -> Result<(), String> {
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("ffikit-sys: FFIKIT_LIB_DIR={}: {error}", folder.display()))?;
    let wanted = if wants_static() {
        "libffikit.a"
    } else {
        "libffikit.so"
    };
    if !folder.join(wanted).exists() {
        return Err(format!(
            "ffikit-sys: FFIKIT_LIB_DIR={0} has no {wanted}; build one there with `scripts/build-lib {0}` \
             of ffikit's sources, or unset FFIKIT_LIB_DIR to look elsewhere",
            folder.display()
        ));
    }
    let include = match env::var_os("FFIKIT_INCLUDE_DIR") {
        Some(include) => PathBuf::from(include),
        None => folder.join("../include"),
    };
    link(&folder, wants_static(), &include)
}

/// What pkg-config knows; the error says why there is nothing.
fn use_installed() -> Result<(), String> {
    let found = pkg_config::Config::new()
        .range_version(VERSIONS)
        .statik(wants_static())
        .cargo_metadata(false)
        .env_metadata(true)
        .probe("ffikit")
        .map_err(|error| error.to_string())?;
    let name = if wants_static() {
        "libffikit.a"
    } else {
        "libffikit.so"
    };
    // pkg-config leaves out the folders that compilers search anyway.
    let folder = match found.link_paths.iter().find(|folder| folder.join(name).exists()) {
        Some(folder) => folder.clone(),
        None => pkg_config::get_variable("ffikit", "libdir")
            .map(PathBuf::from)
            .map_err(|error| error.to_string())?,
    };
    let include = match found.include_paths.first() {
        Some(include) => include.clone(),
        None => pkg_config::get_variable("ffikit", "includedir")
            .map(PathBuf::from)
            .map_err(|error| error.to_string())?,
    };
    link(&folder, wants_static(), &include)
}

fn link(folder: &Path, statically: bool, include: &Path) -> Result<(), String> {
    if statically {
        println!("cargo::rerun-if-changed={}", folder.join("libffikit.a").display());
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static=ffikit");
        println!("cargo::rustc-cfg=ffikit_static");
    } else {
        let links = shown_to_cargo(folder)?;
        println!("cargo::rustc-link-search=native={}", links.display());
        println!("cargo::rustc-link-lib=dylib=ffikit");
    }
    // Cargo hands these to build scripts as DEP_FFIKIT_INCLUDE and so on.
    println!("cargo::metadata=include={}", include.display());
    println!("cargo::metadata=lib={}", folder.display());
    println!(
        "cargo::metadata=kind={}",
        if statically { "static" } else { "dylib" }
    );
    Ok(())
}

/// Links to the shared library in a folder below target/: `cargo run` and
/// `cargo test` let the loader search those folders, and no others.
fn shown_to_cargo(folder: &Path) -> Result<PathBuf, String> {
    let links = go::out_dir().join("lib");
    let made = || -> std::io::Result<()> {
        let _ = fs::remove_dir_all(&links);
        fs::create_dir_all(&links)?;
        for name in ["libffikit.so", "libffikit.so.0"] {
            let library = folder.join(name);
            if library.exists() {
                symlink(&library, &links.join(name))?;
            }
        }
        Ok(())
    };
    made().map_err(|error| format!("ffikit-sys: {}: {error}", links.display()))?;
    Ok(links)
}

#[cfg(unix)]
fn symlink(original: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(original, link)
}

#[cfg(not(unix))]
fn symlink(original: &Path, link: &Path) -> std::io::Result<()> {
    fs::copy(original, link).map(|_| ())
}

fn wants_static() -> bool {
    env::var_os("CARGO_FEATURE_STATIC").is_some() || is_set("FFIKIT_STATIC")
}

/// Set, and neither empty nor 0.
fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}

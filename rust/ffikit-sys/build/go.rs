//! Builds the Go source of libffikit into a C archive.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A library that was built, and where its header lies.
pub struct Built {
    pub folder: PathBuf,
    pub include: PathBuf,
}

pub fn out_dir() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"))
}

/// The Go module: inside a packaged crate, or beside it in ffikit's own
/// repository (also where Cargo checked it out for a `git` dependency).
pub fn source() -> Option<PathBuf> {
    let crate_folder =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    [crate_folder.join("go"), crate_folder.join("../../go")]
        .into_iter()
        .find(|folder| folder.join("cmd/libffikit/main.go").is_file())
}

pub fn build(source: &Path) -> Result<Built, String> {
    println!("cargo::rerun-if-changed={}", source.display());
    let out = out_dir();
    let (system, architecture) = target()?;
    let go = env::var_os("FFIKIT_GO").unwrap_or_else(|| OsString::from("go"));
    let mut command = Command::new(&go);
    command
        .current_dir(source)
        .args(["build", "-trimpath", "-buildvcs=false", "-buildmode=c-archive"])
        .env("CGO_ENABLED", "1")
        .env("GOOS", system)
        .env("GOARCH", architecture)
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        // Never fetch another toolchain in the middle of a build.
        .env("GOTOOLCHAIN", "local");
    if source.join("vendor/modules.txt").exists() {
        command.arg("-mod=vendor").env("GOPROXY", "off");
    } else {
        command.arg("-mod=readonly");
    }
    if env::var_os("HOME").is_none() && env::var_os("GOCACHE").is_none() {
        command.env("GOCACHE", out.join("go-cache"));
    }
    if let Some(compiler) = c_compiler() {
        command.env("CC", compiler);
    }
    if env::var("DEBUG").is_ok_and(|level| level == "false" || level == "0") {
        command.arg("-ldflags=-s -w");
    }
    command
        .arg("-o")
        .arg(out.join("libffikit.a"))
        .arg("./cmd/libffikit");
    let output = command
        .output()
        .map_err(|error| format!("cannot run `{}`: {error}", go.to_string_lossy()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "`go build` in {} failed: {}",
            source.display(),
            said.trim()
        ));
    }
    Ok(Built {
        folder: out,
        include: source.join("cmd/libffikit/include"),
    })
}

/// cgo's own default is right for the machine that builds; for another
/// target this follows the names that the `cc` crate made usual.
fn c_compiler() -> Option<OsString> {
    let target = env::var("TARGET").ok()?;
    let names = [
        format!("CC_{target}"),
        format!("CC_{}", target.replace('-', "_")),
        "TARGET_CC".to_owned(),
    ];
    for name in names {
        println!("cargo::rerun-if-env-changed={name}");
        if let Some(compiler) = env::var_os(&name) {
            return Some(compiler);
        }
    }
    None
}

/// Go's names of what Cargo builds for.
fn target() -> Result<(&'static str, &'static str), String> {
    let of = |name: &str| env::var(name).unwrap_or_default();
    let (system, architecture) = (of("CARGO_CFG_TARGET_OS"), of("CARGO_CFG_TARGET_ARCH"));
    match (system.as_str(), architecture.as_str(), of("CARGO_CFG_TARGET_ENV").as_str()) {
        ("linux", "x86_64", "gnu") => Ok(("linux", "amd64")),
        ("linux", "aarch64", "gnu") => Ok(("linux", "arm64")),
        (_, _, environment) => Err(format!(
            "libffikit is for Linux with glibc on x86_64 and aarch64, not for {system} {environment} on {architecture}"
        )),
    }
}

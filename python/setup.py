"""Builds the wheel: one libffikit, two extensions over it, the command and its agent.

What cannot be said in pyproject.toml: libffikit and the command are Go programs,
built here with the same script as everywhere (scripts/build-lib), and the sdist
takes the Go and Rust sources along, with Go's dependencies vendored.

Environment:
  FFIKIT_LIBRARY   a libffikit.so.0 to use instead of building one
  FFIKIT_COMMAND   a ffikit command (CGO-free) to use instead of building one
  FFIKIT_AGENT     a libffikit_agent.so to use instead of building one
  FFIKIT_GO        the go command (default: go)
  FFIKIT_TESTING   set by scripts/test-python only: compiles in what tests need of
                   a libffikit that was built with build-lib --testing
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext as _build_ext
from setuptools.command.sdist import sdist as _sdist
from setuptools_rust import Binding, RustExtension

HERE = Path(__file__).parent.resolve()
BUNDLED = HERE / "_src"  # exists in an sdist only
ROOT = BUNDLED if BUNDLED.is_dir() else HERE.parent
HEADERS = ROOT / "go/cmd/libffikit/include"
SONAME = "libffikit.so.0"
AGENT = "bin/libffikit_agent.so"
LIMITED_API = "0x030B0000"  # 3.11: the first whose limited API has Py_buffer
TESTING = bool(os.environ.get("FFIKIT_TESTING"))


# What a build needs none of.
GO_IGNORED = shutil.ignore_patterns("*_test.go", "testdata", "vendor")
RUST_IGNORED = ("target", "go", "include", "__pycache__")


def rust_ignored(folder: str, names: list[str]) -> list[str]:
    """Of a crate's own folder what is no source of it; its modules may have any name."""
    is_crate = "Cargo.toml" in names
    return [name for name in names if is_crate and name in RUST_IGNORED]


def go_command() -> str:
    """The go command to use."""
    return os.environ.get("FFIKIT_GO", "go")


def check_tools() -> None:
    """Names everything that is missing at once, before anything is built."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        sys.exit(
            "ffikit: free-threaded CPython is not supported: the extensions use the stable ABI abi3, "
            "which it does not have; use the ordinary build"
        )
    missing = []
    builds_go = not (os.environ.get("FFIKIT_LIBRARY") and os.environ.get("FFIKIT_COMMAND"))
    if builds_go and not shutil.which(go_command()):
        missing.append(
            "Go 1.25 or newer (no go command on PATH; FFIKIT_GO may name one, or FFIKIT_LIBRARY and "
            "FFIKIT_COMMAND a built libffikit.so.0 and ffikit)"
        )
    if not shutil.which(os.environ.get("CARGO", "cargo")):
        missing.append("Rust 1.88 or newer (no cargo on PATH)")
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if not shutil.which(compiler):
        missing.append(f"a C compiler (no {compiler} on PATH)")
    if missing:
        sys.exit("ffikit: this build needs, and does not find:\n  - " + "\n  - ".join(missing))


def build_library(out: Path) -> Path:
    """Leaves libffikit.so.0 and its link for the linker in a folder, and gives that."""
    prebuilt = os.environ.get("FFIKIT_LIBRARY")
    if prebuilt:
        folder = out / "lib"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(prebuilt, folder / SONAME)
        (folder / "libffikit.so").unlink(missing_ok=True)
        (folder / "libffikit.so").symlink_to(SONAME)
        return folder
    options = ["--testing"] if TESTING else []
    environment = dict(os.environ, LIBFFIKIT_SOURCE=str(ROOT / "go"))
    subprocess.run(["bash", str(ROOT / "scripts/build-lib"), *options, str(out)], env=environment, check=True)
    return out / "lib"


def build_command(target: Path, version: str) -> None:
    """Puts the command, which needs no cgo, at target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prebuilt = os.environ.get("FFIKIT_COMMAND")
    if prebuilt:
        shutil.copy2(prebuilt, target)
    else:
        flags = ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w -X main.version={version}"]
        if (ROOT / "go/vendor").is_dir():
            flags.append("-mod=vendor")
        subprocess.run(
            [go_command(), "build", *flags, "-o", str(target), "./cmd/ffikit"],
            cwd=ROOT / "go",
            env=dict(os.environ, CGO_ENABLED="0", GOFLAGS="", GOWORK="off"),
            check=True,
        )
    target.chmod(0o755)


def build_agent(target: Path, out: Path) -> None:
    """Puts the library that `ffikit sanitize` preloads at target: beside the command, which looks there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prebuilt = os.environ.get("FFIKIT_AGENT")
    if prebuilt:
        shutil.copy2(prebuilt, target)
        return
    environment = dict(os.environ)
    environment.setdefault("CARGO_TARGET_DIR", str(out))
    subprocess.run(
        ["bash", str(ROOT / "scripts/build-agent"), str(target.parent)], env=environment, check=True
    )


def rust_flags() -> str:
    """Cargo's flags, with no path of this machine left in what is built."""
    home = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    remapped = [f"--remap-path-prefix={home}=cargo", f"--remap-path-prefix={ROOT}=ffikit"]
    return " ".join([os.environ.get("RUSTFLAGS", ""), *remapped]).strip()


class build_ext(_build_ext):
    """Builds the Go parts first; setuptools-rust adds the Rust one after."""

    def finalize_options(self):
        from Cython.Build import cythonize

        self.set_undefined_options("build", ("build_temp", "build_temp"))
        self.distribution.ext_modules = cythonize(
            self.distribution.ext_modules,
            build_dir=os.path.join(self.build_temp, "cython"),
            include_path=[str(HERE / "src")],
            compiler_directives={"language_level": 3},
            quiet=True,
        )
        super().finalize_options()

    def run(self):
        check_tools()
        if self.inplace:
            sys.exit("ffikit: no in-place build: scripts/test-python builds into build/python")
        package = Path(self.build_lib).resolve() / "ffikit"
        library = build_library(Path(self.build_temp).resolve() / "libffikit")
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library / SONAME, package / SONAME)
        build_command(package / "bin/ffikit", self.distribution.get_version())
        build_agent(package / AGENT, Path(self.build_temp).resolve() / "agent")
        for extension in self.extensions:
            extension.library_dirs.append(str(library))
        # For ffikit-sys/build.rs, which else looks for or builds its own.
        os.environ["FFIKIT_LIB_DIR"] = str(library)
        if os.environ.get("SETUPTOOLS_RUST_CARGO_PROFILE") != "dev":
            os.environ["RUSTFLAGS"] = rust_flags()
        super().run()

    def build_extensions(self):
        # Interpreters that were built with a shared libpython put their own
        # library folder into every extension: a path of this machine, and one
        # that the loader would search before ours.
        self.compiler.linker_so = [
            word for word in self.compiler.linker_so if not word.startswith(("-Wl,-rpath", "-Wl,-R"))
        ]
        super().build_extensions()

    def get_outputs(self):
        package = Path(self.build_lib) / "ffikit"
        products = (SONAME, "bin/ffikit", AGENT)
        return [*super().get_outputs(), *(str(package / product) for product in products)]


class sdist(_sdist):
    """Adds the sources of the Go and Rust parts, and the licences of what they link."""

    CRATES = ("ffikit-sys", "ffikit", "ffikit-python", "ffikit-unwind", "ffikit-agent")

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        bundled = Path(base_dir) / "_src"
        shutil.copytree(ROOT / "go", bundled / "go", ignore=GO_IGNORED)
        (bundled / "scripts").mkdir()
        for script in ("build-lib", "build-agent"):
            shutil.copy2(ROOT / "scripts" / script, bundled / "scripts" / script)
        if (ROOT / "go/vendor").is_dir():  # an sdist of an sdist
            shutil.copytree(ROOT / "go/vendor", bundled / "go/vendor")
        else:
            environment = dict(os.environ, GOFLAGS="-mod=mod", GOWORK="off")
            subprocess.run([go_command(), "mod", "vendor"], cwd=bundled / "go", env=environment, check=True)
        self.copy_workspace(bundled / "rust")
        if ROOT != BUNDLED:  # an sdist of an sdist has the file already
            notices = Path(base_dir).resolve() / "LICENSE-THIRD-PARTY.txt"
            subprocess.run(
                [sys.executable, str(ROOT / "scripts/third-party-notices"), str(notices)], check=True
            )

    def copy_workspace(self, target: Path) -> None:
        """The Rust workspace with our crates only, its lock file cut to fit."""
        target.mkdir()
        for crate in self.CRATES:
            shutil.copytree(ROOT / "rust" / crate, target / crate, ignore=rust_ignored)
        manifest = (ROOT / "rust/Cargo.toml").read_text()
        members = "members = [" + ", ".join(f'"{crate}"' for crate in self.CRATES) + "]"
        manifest, replaced = re.subn(r"^members = \[[^\]]*\]", members, manifest, count=1, flags=re.M)
        if not replaced:
            sys.exit("ffikit: rust/Cargo.toml has no members list to cut")
        (target / "Cargo.toml").write_text(manifest)
        shutil.copy2(ROOT / "rust/Cargo.lock", target / "Cargo.lock")
        # Drops what the left-out crates needed, and changes no version.
        subprocess.run(
            [os.environ.get("CARGO", "cargo"), "metadata", "--format-version=1"],
            cwd=target,
            stdout=subprocess.DEVNULL,
            check=True,
        )


setup(
    ext_modules=[
        Extension(
            "ffikit._core",
            ["tests/_core_testing.pyx" if TESTING else "src/ffikit/_core.pyx"],
            include_dirs=[str(HEADERS)],
            libraries=["ffikit"],
            define_macros=[("Py_LIMITED_API", LIMITED_API), ("CYTHON_LIMITED_API", "1")],
            extra_compile_args=["-g0", "-O2", "-fvisibility=hidden", f"-ffile-prefix-map={HERE}=ffikit"],
            # DT_RPATH, which goes before LD_LIBRARY_PATH where DT_RUNPATH comes
            # after it: second to ffikit._load's absolute path.
            extra_link_args=["-Wl,-s", "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN", "-Wl,-z,now"],
            py_limited_api=True,
            depends=["src/ffikit/_abi.pxd", "src/ffikit/_core.pyx"],
        )
    ],
    rust_extensions=[
        RustExtension(
            "ffikit._rs",
            path=str(ROOT / "rust/ffikit-python/Cargo.toml"),
            binding=Binding.PyO3,
            features=["testing"] if TESTING else [],
            args=["--locked"],
            debug=False,
        )
    ],
    cmdclass={"build_ext": build_ext, "sdist": sdist},
    zip_safe=False,
)

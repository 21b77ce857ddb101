"""lint and the size ratchet: each check sees what it is for, and lets good files pass."""

import subprocess
import sys
from pathlib import Path

from conftest import ROOT, Scratch


def test_a_function_of_71_lines_is_one_too_long(scratch: Scratch) -> None:
    scratch.copy("scripts/check-sizes")
    # What surrounds the repeated line, and how many lines of the function that is.
    sources = {
        "a.go": ("package a\n\nfunc (x *t) long(\n\ta int,\n) {\n", "\tf()\n", "}\n", 4),
        "a.rs": (
            "impl X {\n    pub(crate) unsafe fn long(\n        a: u8,\n    ) {\n",
            "        f();\n",
            "    }\n}\n",
            4,
        ),
        "a.c": ("static int\nlong_one(int a);\nstatic int long_one(int a) {\n", "  f();\n", "}\n", 2),
        "a.py": ("async def long(a):\n", "    f()\n", "", 1),
        "a.pyx": ("cdef class A:\n    cpdef int long(self):\n", "        f()\n", "    x = 1\n", 1),
        "tool": ("#!/usr/bin/env bash\nlong() {\n", "    f\n", "}\n", 2),
    }
    for name, (head, line, tail, own) in sources.items():
        scratch.write(name, head + line * (70 - own) + tail)
        done = scratch.run(sys.executable, "scripts/check-sizes", name)
        assert done.returncode == 0, done.stdout
        scratch.write(name, head + line * (71 - own) + tail)
        done = scratch.run(sys.executable, "scripts/check-sizes", name)
        assert done.returncode == 1
        assert "71 lines, allowed are 70" in done.stdout


def test_the_baseline_goes_down_only(scratch: Scratch) -> None:
    scratch.copy("scripts/check-sizes")
    scratch.write("a.py", "def f():\n" + "    g()\n" * 79)

    def check(baseline: str) -> tuple[int, str]:
        scratch.write("ci/baselines/sizes.txt", baseline)
        done = scratch.run(sys.executable, "scripts/check-sizes", "a.py")
        return done.returncode, done.stdout

    assert check("80 a.py:f\n")[0] == 0
    assert check("79 a.py:f\n")[0] == 1
    status, said = check("81 a.py:f\n")
    assert status == 1
    assert "lower or remove" in said


def test_lint_sees_what_it_is_for(scratch: Scratch) -> None:
    scratch.copy("scripts/lint", "scripts/check-sizes", "ruff.toml", ".clang-format")
    scratch.system_tools_but()
    scratch.environment["PATH"] = f"{ROOT}/build/tools/bin:{scratch.bin}:{Path(sys.executable).parent}"
    go = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    scratch.environment["PATH"] += f":{go}/bin"
    scratch.run("git", "init", "-q")
    scratch.write(".gitignore", "/bin/\n")
    checks = ["gofmt", "shellcheck", "paths", "whitespace", "sizes", "clang_format", "ruff"]

    good = {
        "a.go": "package a\n\nfunc f() {\n\tg()\n}\n",
        "a": '#!/usr/bin/env bash\necho "$1"\n',
        "a.md": "See /usr/lib.\n",
        "a.c": "int f(void) { return 0; }\n",
        "a.py": "x = 1\n",
    }
    for name, text in good.items():
        scratch.write(name, text)
    done = scratch.run("scripts/lint", *checks)
    assert done.stdout.splitlines()[-1] == f"lint: {len(checks)} passed, 0 failed", done.stdout

    bad = {
        "a.go": "package a\nfunc f( ) { \n\tg()\n" + "\tg()\n" * 80 + "}\n",
        "a": "#!/usr/bin/env bash\necho $1\n",
        "a.md": "See /" + "root/x.   \n",
        "a.c": "int f(void){return 0;}\n",
        "a.py": "import os\n",
    }
    for name, text in bad.items():
        scratch.write(name, text)
    done = scratch.run("scripts/lint", *checks)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == f"lint: 0 passed, {len(checks)} failed", done.stdout

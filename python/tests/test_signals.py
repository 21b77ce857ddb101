"""Signals: Ctrl-C, profilers' timers, faulthandler and broken pipes still work."""

from __future__ import annotations

from conftest import RunPython

LONG = """
import os, signal, sys, threading, time
import ffikit
log = b"==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x10\\n    #0 0x1 in f a.c:1:1\\n\\n"
log += b"a line of somebody else\\n" * 100_000
while True:
    begun = time.perf_counter()
    ffikit.Report.parse(log)
    took = time.perf_counter() - begun
    if took > 0.5:
        break
    assert len(log) < 1 << 31
    log *= 2
"""


def test_ctrl_c_during_a_call_is_keyboard_interrupt_after_it(run_python: RunPython) -> None:
    run_python(
        LONG
        + """
for api in (ffikit, ffikit.rust):
    for target in ("process", "main thread"):
        def press():
            if target == "process":
                os.kill(os.getpid(), signal.SIGINT)
            else:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threading.Timer(took / 4, press).start()
        try:
            api.Report.parse(log)
            time.sleep(10)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("SIGINT was lost")
        assert len(api.Report.parse(b"")) == 0
"""
    )


def test_ctrl_c_on_a_thread_of_go_arrives(run_python: RunPython) -> None:
    run_python(
        """
import ctypes, os, signal, threading, time
ours = set(os.listdir("/proc/self/task"))
import ffikit
ffikit.version()
of_go = sorted(set(os.listdir("/proc/self/task")) - ours)
assert of_go, "libffikit started no threads"
libc = ctypes.CDLL(None, use_errno=True)
TGKILL = 234  # x86-64
for thread in of_go:
    timer = threading.Timer(0.1, lambda: libc.syscall(TGKILL, os.getpid(), int(thread), signal.SIGINT))
    timer.start()
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.05)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("SIGINT was lost")
    timer.join()
"""
    )


def test_profiling_timer_ticks_during_calls(run_python: RunPython) -> None:
    run_python(
        """
import signal, time
import ffikit
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
signal.signal(signal.SIGPROF, tick)
signal.setitimer(signal.ITIMER_PROF, 0.005, 0.005)
begun = time.process_time()
while time.process_time() - begun < 1:
    assert ffikit.demangle("_ZN3foo3barEi") == "foo::bar(int)"
signal.setitimer(signal.ITIMER_PROF, 0)
assert ticks > 10, ticks
"""
    )


def test_handlers_of_the_program_stay(run_python: RunPython) -> None:
    run_python(
        """
import signal
seen = []
names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGALRM", "SIGWINCH")
for name in names:
    signal.signal(getattr(signal, name), lambda number, frame: seen.append(signal.Signals(number).name))
before = {name: signal.getsignal(getattr(signal, name)) for name in names}
import ffikit
ffikit.version()
for name in names:
    assert signal.getsignal(getattr(signal, name)) is before[name]
    signal.raise_signal(getattr(signal, name))
assert seen == list(names), seen
"""
    )


def test_faulthandler_still_shows_python_s_stack(run_python: RunPython) -> None:
    crash = run_python(
        """
import ctypes, faulthandler
faulthandler.enable()
import ffikit
ffikit.version()
def crashing_function():
    ctypes.string_at(0)
crashing_function()
""",
        check=False,
    )
    assert crash.returncode < 0
    assert "crashing_function" in crash.stderr


def test_a_broken_pipe_is_an_exception(run_python: RunPython) -> None:
    run_python(
        """
import os
import ffikit
ffikit.version()
read, write = os.pipe()
os.close(read)
try:
    os.write(write, b"x")
except BrokenPipeError:
    pass
else:
    raise AssertionError
"""
    )

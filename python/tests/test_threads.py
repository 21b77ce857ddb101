"""Threads, the GIL, and memory over many calls."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import time
import tracemalloc
from array import array
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Program

import ffikit


def large_log(log: bytes, seconds: float) -> tuple[bytes, float]:
    """A log whose parsing takes at least so long, and how long it took."""
    large = log
    while True:
        begun = time.perf_counter()
        ffikit.Report.parse(large)
        took = time.perf_counter() - begun
        if took >= seconds:
            return large, took
        assert len(large) < 1 << 30, "parsing never takes long"
        large = large * 2 + b"a line of somebody else\n" * 50_000


def test_the_gil_is_released(api, log: bytes) -> None:
    large, took = large_log(log, 0.5)
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    api.Report.parse(large)
    counted = ticks
    done.set()
    thread.join()
    # Held, the other thread would come to run only before and after.
    assert counted > 20, (counted, took)


def test_threads_share_one_symbolizer(api, shapes: Program) -> None:
    address = shapes.address("area")
    with api.Symbolizer() as symbolizer:
        expected = symbolizer.resolve(shapes.binary, [address])

        def look_up(_: int) -> bool:
            return symbolizer.resolve(shapes.binary, [address]) == expected

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(look_up, range(800)))
    assert expected[0][0].function == "area"


def test_closing_during_calls_of_other_threads(api, shapes: Program) -> None:
    address = shapes.address("area")
    for _ in range(20):
        symbolizer = api.Symbolizer()
        start = threading.Barrier(5)
        outcomes = []

        def look_up(symbolizer=symbolizer, start=start, outcomes=outcomes) -> None:
            start.wait()
            for _ in range(20):
                try:
                    outcomes.append(symbolizer.resolve(shapes.binary, [address])[0][0].function)
                except ffikit.HandleError:
                    outcomes.append("closed")

        threads = [threading.Thread(target=look_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        start.wait()
        symbolizer.close()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 80
        assert set(outcomes) <= {"area", "closed"}
        assert "closed" in outcomes


def test_reports_are_parsed_in_many_threads(api, log: bytes) -> None:
    expected = api.Report.parse(log)
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda _: api.Report.parse(log), range(24)))
    assert all(report == expected for report in reports)


# struct mallinfo2 of <malloc.h>.
MALLINFO2 = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks"]
MALLINFO2 += ["fordblks", "keepcost"]


class MallInfo2(ctypes.Structure):
    """What glibc's allocator holds, in all arenas."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO2)


def native_bytes() -> int:
    """What is allocated by malloc: results and errors of the C ABI, and Rust's memory."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo2
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


def resident_bytes() -> int:
    """What the process holds of memory, Go's heap included."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


SYMBOLIZED = b"""\
==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55d0c0de1000 bp 0x7 sp 0x8
READ of size 4 at 0x602000000010 thread T0
    #0 0x55d0c0de0fff in consume /src/app/consumer.c:41:9

"""


@pytest.mark.parametrize("what", ["resolve", "new", "parse", "render", "error", "demangle"])
def test_memory_does_not_grow(api, what: str, shapes: Program) -> None:
    addresses = array("Q", [shapes.address("area")] * 20)
    shared = api.Symbolizer()
    report = api.Report.parse(SYMBOLIZED)
    assert len(report) == 1

    def error() -> None:
        with pytest.raises(ffikit.NotFoundError):
            shared.resolve("/nonexistent", addresses)

    call = {
        "resolve": lambda: shared.resolve(shapes.binary, addresses),
        "new": api.Symbolizer,
        "parse": lambda: api.Report.parse(SYMBOLIZED),
        "render": report.to_text,
        "error": error,
        "demangle": lambda: ffikit.demangle("_ZN3foo3barEi"),
    }[what]
    for _ in range(1000):
        call()
    gc.collect()
    native, resident = native_bytes(), resident_bytes()
    tracemalloc.start()
    for _ in range(5000):
        call()
    gc.collect()
    python, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for _ in range(5000):
        call()
    gc.collect()
    # A leak of one small object a call would be 160,000 bytes at least.
    assert python < 100_000
    assert native_bytes() - native < 100_000
    # Go's heap breathes.
    assert resident_bytes() - resident < 32 << 20
    shared.close()


def test_dropping_frees_the_handle(api, shapes: Program, log: bytes) -> None:
    # The other extension watches: what it borrows must become stale.
    watcher = ffikit if api is ffikit.rust else ffikit.rust
    symbolizer = api.Symbolizer()
    seen = watcher.Symbolizer._engine.Symbolizer(borrow=symbolizer.__ffikit_handle__)
    assert seen.resolve(bytes(shapes.binary), [0]) == [[]]
    del symbolizer
    with pytest.raises(ffikit.HandleError):
        seen.resolve(bytes(shapes.binary), [0])
    report = api.Report.parse(log)
    seen = watcher.Report._engine.Report(b"", borrow=report.__ffikit_handle__)
    assert seen.count() == 1
    del report
    with pytest.raises(ffikit.HandleError):
        seen.count()

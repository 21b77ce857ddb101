"""Threads, the GIL, and memory over many calls."""

from __future__ import annotations

import gc
import os
import threading
import time
import tracemalloc
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
        reports = list(pool.map(lambda _: api.Report.parse(log), range(64)))
    assert all(report == expected for report in reports)


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("what", ["resolve", "new", "parse", "error", "demangle"])
def test_memory_does_not_grow(api, what: str, shapes: Program, log: bytes) -> None:
    address = [shapes.address("area")]
    shared = api.Symbolizer()
    small = log[:600]

    def error() -> None:
        with pytest.raises(ffikit.NotFoundError):
            shared.resolve("/nonexistent", address)

    calls = {
        "resolve": lambda: shared.resolve(shapes.binary, address),
        "new": api.Symbolizer,
        "parse": lambda: api.Report.parse(small),
        "error": error,
        "demangle": lambda: ffikit.demangle("_ZN3foo3barEi"),
    }
    call = calls[what]
    for _ in range(2000):
        call()
    gc.collect()
    before = resident_bytes()
    tracemalloc.start()
    for _ in range(5000):
        call()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for _ in range(5000):
        call()
    gc.collect()
    assert held < 200_000
    # Go's heap breathes; a leak of 10,000 results would be far above.
    assert resident_bytes() - before < 32 << 20
    shared.close()

"""Clean runs, and their canaries: the same process trips at its end."""

from .asked import ASAN, Finding, Scenario
from .chains import GO_CHECKSUM, NEW, RELEASE, told
from .leaks import journal_leak
from .memory import read_by_ctypes, use_after_free

CHECKSUM_AFTER_THREADS = Finding(
    ASAN,
    "heap-use-after-free",
    {
        "fault": [
            *GO_CHECKSUM,
            "go main.ServiceChecksum @service_checksum",
            "cython records.Record.checksum @cy_checksum",
            *told("clean_threads"),
        ],
        "free": [*RELEASE, *told("clean_threads", "clean_threads_release")],
        "allocation": [*NEW, *told("clean_threads", "clean_threads_new")],
    },
    access=("read", 1),
)


def control(name: str, what: str, trips: str, canary: Finding, prints: tuple[str, ...] = ()) -> tuple[Scenario, ...]:
    """A clean run, and the same with its canary."""
    return (
        Scenario(name, f"clean: {what}", (), 0, command_status=0, prints=prints),
        Scenario(f"{name}.canary", f"… and the same process {trips}", (canary,), canary=True),
    )


SCENARIOS = (
    *control("clean_round_trip", "through all five languages", "trips", use_after_free("clean_round_trip")),
    *control(
        "clean_memory_held_by_go",
        "C memory that only Go holds",
        "leaks",
        journal_leak("clean_memory_held_by_go", 555, 1),
        prints=("service: recovered:",),
    ),
    *control("clean_threads", "threads, goroutines, callbacks, a fork", "trips", CHECKSUM_AFTER_THREADS),
    *control(
        "clean_ctypes",
        "ctypes over memory that lives",
        "trips",
        read_by_ctypes("clean_ctypes", ("library ctypes",), ("read", 16)),
    ),
)

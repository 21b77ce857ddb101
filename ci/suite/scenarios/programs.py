"""Programs without Python: C's, Go's and Rust's own main."""

from .asked import ASAN, Finding, Scenario
from .chains import CHECKSUM, NOTE, RESERVE
from .leaks import leak

FREED = "heap-use-after-free"

PLAIN = Finding(
    ASAN,
    FREED,
    {
        "fault": ["c last_byte @last_byte", "c replay @replay_last", "c main @main_replay"],
        "free": ["c store_record_release @release", "c replay @replay_release", "c main @main_replay"],
        "allocation": [*RESERVE, "c replay @replay_new", "c main @main_replay"],
    },
    access=("read", 1),
)


def dispatched(fault: list[str], function: str, made: str, main: str) -> Finding:
    """A released record that Go's own program reads."""
    root = [f"go {function} @{made}", f"go main.main @{main}"]
    return Finding(
        ASAN,
        FREED,
        {
            "fault": fault,
            "free": ["c store_record_release @release", "go main.released @dispatcher_release", *root],
            "allocation": [*RESERVE, "go main.released @dispatcher_new", *root],
        },
        access=("read", 1),
    )


COURIER = {
    "free": [
        "c store_record_release @release",
        "rust <courier::Parcel>::deliver @courier_deliver",
        "rust courier::main @courier_main_deliver",
    ],
    "allocation": [*RESERVE, "rust <courier::Parcel>::pack @pack", "rust courier::main @courier_pack"],
}
INSPECTED = ["rust <courier::Parcel>::last_byte @courier_last", "rust courier::inspect @inspect"]

SCENARIOS = (
    Scenario("plain_program", "C's main, with a runtime of its own", (PLAIN,), program=("replay",)),
    Scenario(
        "plain_program_by_gcc",
        "… built by gcc, with gcc's runtime",
        (PLAIN,),
        program=("replay-gcc",),
        tells="plain_program",
    ),
    Scenario(
        "plain_program_by_gcc.alone",
        "… and without the companion: no build IDs",
        (PLAIN,),
        program=("replay-gcc",),
        partial="the log names no build ID",
        tells="plain_program",
        companion=False,
    ),
    Scenario(
        "plain_program_threads",
        "freed by a second thread",
        (
            Finding(
                ASAN,
                FREED,
                {
                    "fault": [
                        "c last_byte @last_byte",
                        "c replay_in_thread @thread_last",
                        "c main @main_thread",
                    ],
                    "free": ["c store_record_release @release", "c release_later @release_later"],
                    "allocation": [*RESERVE, "c replay_in_thread @thread_new", "c main @main_thread"],
                    "thread": ["c replay_in_thread @thread_start", "c main @main_thread"],
                },
                access=("read", 1),
            ),
        ),
        program=("replay", "thread"),
    ),
    Scenario(
        "go_program",
        "Go's main has C read a released record",
        (
            dispatched(
                [*CHECKSUM, "go main.sum @dispatcher_sum", "go main.main @dispatcher_main_sum"],
                "main.sum",
                "sum_released",
                "dispatcher_main_sum",
            ),
        ),
        program=("dispatcher",),
    ),
    Scenario(
        "go_program_payload",
        "… reads it itself",
        (
            dispatched(
                ["go main.lastByte @dispatcher_last", "go main.main @dispatcher_main_payload"],
                "main.lastByte",
                "last_released",
                "dispatcher_main_payload",
            ),
        ),
        program=("dispatcher", "payload"),
    ),
    Scenario(
        "go_program_leak",
        "… has C forget a note",
        (leak(48, 1, [*NOTE, "go main.forget @dispatcher_forget", "go main.main @dispatcher_main_leak"]),),
        program=("dispatcher", "leak"),
    ),
    Scenario(
        "rust_program",
        "Rust's main reads what it delivered",
        (
            Finding(
                ASAN,
                FREED,
                {"fault": [*INSPECTED, "rust courier::main @courier_main_inspect"], **COURIER},
                access=("read", 1),
            ),
        ),
        program=("courier",),
    ),
    Scenario(
        "rust_program_thread",
        "… on a thread of Rust",
        (
            Finding(
                ASAN,
                FREED,
                {
                    "fault": [*INSPECTED, "rust courier::main::{closure#0} @courier_closure inlined"],
                    **COURIER,
                    "thread": ["rust courier::main @courier_spawn"],
                },
                access=("read", 1),
            ),
        ),
        program=("courier", "thread"),
    ),
)

"""The scenarios of the suite: what is run, and what must be found.

Stacks are given as the user's own frames, leaf first, each "language function";
the runtime's frames between and behind them are not listed. Lines are not given
here: they come from the marker comments (markers.py).
"""

import dataclasses

ASAN = "AddressSanitizer"
LSAN = "LeakSanitizer"
UBSAN = "UndefinedBehaviorSanitizer"

# Parts of the reasons why a stack ends at Go.
GO_SIGNAL = "Go's signal handler"
GO_SYSTEM_STACK = "Go's system stack"
GO_ACCESS = "an access by Go code gives the sanitizer one address"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One report that must be there."""

    tool: str
    kind: str
    # The user's frames of each stack by role; a function that starts with ~ is a
    # regular expression. The leaf of the first stack is blamed.
    stacks: dict[str, list[str]]
    access: tuple[str, int] | None = None
    # A part of why a stack ends early, by its role; a role that is not here has a whole stack.
    truncated: dict[str, str] = dataclasses.field(default_factory=dict)
    # Bytes and objects, of a leak.
    leaked: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One run and everything that is asked of it."""

    name: str
    what: str
    findings: tuple[Finding, ...]
    # Of `ffikit sanitize`: 1 with findings, else the command's own.
    exit_code: int
    # What the command itself ended with; None: whatever the runtime does.
    command_status: int | None = None
    canary: bool = False
    # Prints these on standard output or error.
    prints: tuple[str, ...] = ()
    # Options of the interpreter, before the script.
    python_options: tuple[str, ...] = ()
    # Runs a plain program with these arguments instead of the Python one.
    program: tuple[str, ...] = ()
    # A part of the reason of something that must be said to be partial.
    partial: str = ""
    # The scenario whose markers are read; its own name where empty.
    marked_as: str = ""

    @property
    def story(self) -> str:
        """The story of keeper.py that is run."""
        return self.name.partition(".")[0]

    @property
    def marks(self) -> str:
        """The name that the markers of this scenario bear."""
        return self.marked_as or self.name


NEW_RECORD = ["c reserve", "c store_record_new", "cython records.Record.__init__"]
EXPIRE = ["rust <intake::expiry::Expired as core::ops::drop::Drop>::drop", "rust intake_expire"]
ROUTED = [*EXPIRE, "c hand_over", "c store_route"]
DECODE = ["rust <intake::Fields<u8>>::decode", "rust intake_fields"]

USE_AFTER_FREE = Finding(
    ASAN,
    "heap-use-after-free",
    {
        "fault": ["go main.firstByte", "go main.ServiceDeliver"],
        "free": ROUTED,
        "allocation": NEW_RECORD,
    },
    access=("read", 1),
    truncated={"fault": GO_ACCESS, "free": GO_SYSTEM_STACK},
)

PLAIN = Finding(
    ASAN,
    "heap-use-after-free",
    {
        "fault": ["c last_byte", "c replay", "c main"],
        "free": ["c store_record_release", "c replay", "c main"],
        "allocation": [*NEW_RECORD[:2], "c replay", "c main"],
    },
    access=("read", 1),
)

NULL = Finding(ASAN, "SEGV", {"fault": ["c store_head_length"]}, access=("read", 0))
NULL_UNDER_GO = dataclasses.replace(NULL, truncated={"fault": GO_SIGNAL})


def leak(size_bytes: int, objects_count: int) -> Finding:
    """A leak of the journal: its stack ends where Go called C."""
    return Finding(
        LSAN,
        "direct-leak",
        {"allocation": ["c write_note", "c store_journal_note"]},
        leaked=(size_bytes, objects_count),
        truncated={"allocation": GO_SYSTEM_STACK},
    )


SCENARIOS = (
    Scenario("use_after_free", "C's record, freed by Rust, read by Go", (USE_AFTER_FREE,), 1),
    Scenario(
        "dangling_vec_in_c",
        "a dropped Vec of Rust, read in C",
        (
            Finding(
                ASAN,
                "heap-use-after-free",
                {
                    "fault": [
                        "c mix",
                        "c store_checksum",
                        "cython records.checksum_of",
                        "cython records.fields_checksum",
                    ],
                    "free": ["rust intake_fields", "cython records.fields_checksum"],
                    "allocation": [*DECODE, "cython records.fields_checksum"],
                },
                access=("read", 1),
            ),
        ),
        1,
    ),
    Scenario(
        "dangling_vec_in_pyo3",
        "a dropped Vec of Rust, read in PyO3",
        (
            Finding(
                ASAN,
                "heap-use-after-free",
                {
                    "fault": ["rust inspector::read_field", "rust inspector::first_field"],
                    "free": ["rust intake_fields", "rust inspector::first_field"],
                    "allocation": [*DECODE, "rust inspector::first_field"],
                },
                access=("read", 1),
            ),
        ),
        1,
    ),
    Scenario(
        "slice_overrun",
        "unsafe.Slice over more than C allocated",
        (
            Finding(
                ASAN,
                "heap-buffer-overflow",
                {
                    "fault": [r"go ~^main\.\(\*window\[[^\]]*\]\)\.at$"],
                    "allocation": NEW_RECORD,
                },
                access=("read", 1),
                truncated={"fault": GO_ACCESS},
            ),
        ),
        1,
    ),
    Scenario(
        "double_free",
        "Rust freed what C frees again",
        (
            Finding(
                ASAN,
                "double-free",
                {
                    "fault": ["c store_record_release", "cython records.Record.release"],
                    "free": [*EXPIRE, "cython records.Record.expire"],
                    "allocation": NEW_RECORD,
                },
            ),
        ),
        1,
    ),
    Scenario(
        "allocator_mismatch",
        "malloc's memory, dropped as a Vec",
        (
            Finding(
                ASAN,
                "alloc-dealloc-mismatch",
                {
                    "fault": ["rust intake_adopt", "cython records.Record.adopt"],
                    "allocation": NEW_RECORD,
                },
            ),
        ),
        1,
    ),
    Scenario("leak_through_go", "Python → Cython → Go → C leaks", (leak(3 * 777, 3),), 1),
    Scenario(
        "overflow_in_preamble",
        "signed overflow in a cgo preamble",
        (
            Finding(
                UBSAN,
                "signed-integer-overflow",
                {"fault": ["c add_lengths"]},
                truncated={"fault": GO_SYSTEM_STACK},
            ),
        ),
        1,
        command_status=0,
    ),
    Scenario("null_in_c", "NULL in C under Go under Python", (NULL_UNDER_GO,), 1),
    Scenario("clean_round_trip", "clean: through all five languages", (), 0, command_status=0),
    Scenario(
        "clean_round_trip.canary",
        "… and the same process trips",
        (USE_AFTER_FREE,),
        1,
        canary=True,
        marked_as="use_after_free",
    ),
    Scenario(
        "clean_memory_held_by_go",
        "clean: C memory that only Go holds",
        (),
        0,
        command_status=0,
        prints=("service: recovered:",),
    ),
    Scenario(
        "clean_memory_held_by_go.canary",
        "… and the same process leaks",
        (leak(555, 1),),
        1,
        canary=True,
        marked_as="leak_through_go",
    ),
    # Who handles SIGSEGV: ASan what happens in C, Go what happens in Go.
    Scenario("null_in_c_from_cython", "NULL in C, Go loaded but not below", (NULL_UNDER_GO,), 1, marked_as="null_in_c"),
    Scenario(
        "null_in_c.faulthandler",
        "… with Python's faulthandler on at the start",
        (dataclasses.replace(NULL, truncated={"fault": GO_SYSTEM_STACK}),),
        1,
        prints=("Fatal Python error: Segmentation fault",),
        python_options=("-X", "faulthandler"),
        marked_as="null_in_c",
    ),
    Scenario(
        "null_after_recovery",
        "NULL in C after Go recovered from nil",
        (NULL_UNDER_GO,),
        1,
        prints=("service: recovered:",),
        marked_as="null_in_c",
    ),
    Scenario(
        "null_seen_by_ubsan",
        "NULL where UBSan looks: two reports",
        (
            Finding(
                UBSAN,
                "null-pointer-use",
                {"fault": ["c store_total_length"]},
                truncated={"fault": GO_SYSTEM_STACK},
            ),
            dataclasses.replace(NULL_UNDER_GO, stacks={"fault": ["c store_total_length"]}),
        ),
        1,
    ),
    Scenario(
        "nil_in_go_recovered",
        "Go's own nil: recover() gets it",
        (),
        0,
        command_status=0,
        prints=(
            "service: recovered: runtime error: invalid memory address or nil pointer dereference",
            "keeper: nil_in_go_recovered: 7",
        ),
    ),
    Scenario(
        "nil_in_go",
        "Go's own nil, unrecovered: a Go panic",
        (),
        134,
        command_status=134,
        prints=("panic: runtime error: invalid memory address", "main.greet"),
    ),
    # More of the boundary.
    Scenario(
        "pyo3_use_after_free",
        "made, freed and read through PyO3",
        (
            Finding(
                ASAN,
                "heap-use-after-free",
                {
                    "fault": [r"go ~^main\.\(\*window\[[^\]]*\]\)\.at$"],
                    "free": [*EXPIRE, "rust inspector::expire"],
                    "allocation": [*NEW_RECORD[:2], "rust inspector::new_record"],
                },
                access=("read", 1),
                truncated={"fault": GO_ACCESS},
            ),
        ),
        1,
    ),
    Scenario("plain_program", "a program that brings its own runtime", (PLAIN,), 1, program=("replay",)),
    Scenario(
        "plain_program_by_gcc",
        "… built by gcc, with gcc's runtime",
        (PLAIN,),
        1,
        program=("replay-gcc",),
        marked_as="plain_program",
        partial="the log names no build ID",
    ),
    Scenario(
        "plain_program_threads",
        "freed by a second thread",
        (
            Finding(
                ASAN,
                "heap-use-after-free",
                {
                    "fault": ["c last_byte", "c replay_in_thread", "c main"],
                    "free": ["c store_record_release", "c release_later"],
                    "allocation": [*NEW_RECORD[:2], "c replay_in_thread", "c main"],
                    "thread": ["c replay_in_thread", "c main"],
                },
                access=("read", 1),
            ),
        ),
        1,
        program=("replay", "thread"),
        marked_as="plain_program",
    ),
)

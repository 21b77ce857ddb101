"""Who handles SIGSEGV: ASan what happens in C, Go what happens in Go."""

import dataclasses

from .asked import ASAN, UBSAN, Finding, Scenario
from .chains import told


def null(chain: list[str], through_go_signal: bool = True) -> Finding:
    """A load through NULL that the processor found."""
    return Finding(ASAN, "SEGV", {"fault": chain}, access=("read", 0), through_go_signal=through_go_signal)


def head_length(story: str) -> Finding:
    """NULL in C under Go."""
    return null(
        [
            "c store_head_length @head_length",
            "go main.headLength @go_head",
            "go main.ServiceHeadLength @service_head",
            "cython records.head_length @cy_head",
            *told(story),
        ]
    )


TOTAL_LENGTH = [
    "c store_total_length @total_length",
    "go main.ServiceTotalLength @go_total",
    "cython records.total_length @cy_total",
    *told("null_seen_by_ubsan"),
]

SCENARIOS = (
    Scenario("null_in_c", "NULL in C under Go under Python", (head_length("null_in_c"),)),
    Scenario(
        "null_in_c.faulthandler",
        "… with Python's faulthandler on at the start",
        (dataclasses.replace(head_length("null_in_c"), through_go_signal=False),),
        prints=("Fatal Python error: Segmentation fault",),
        python_options=("-X", "faulthandler"),
    ),
    Scenario(
        "null_in_c_from_cython",
        "NULL in C, Go loaded but not below",
        (
            null(
                [
                    "c store_head_length @head_length",
                    "cython records.head_length_directly @cy_head_directly",
                    *told("null_in_c_from_cython"),
                ]
            ),
        ),
    ),
    Scenario(
        "null_after_recovery",
        "NULL in C after Go recovered from nil",
        (head_length("null_after_recovery"),),
        prints=("service: recovered:",),
    ),
    Scenario(
        "null_seen_by_ubsan",
        "NULL where UBSan looks: two reports",
        (Finding(UBSAN, "null-pointer-use", {"fault": TOTAL_LENGTH}), null(TOTAL_LENGTH)),
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
)

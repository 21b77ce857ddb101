"""Undefined behaviour that UBSan tells; the run goes on."""

from .asked import UBSAN, Finding, Scenario
from .chains import told
from .leaks import journal_leak


def overflow(story: str, label: str) -> Finding:
    """A sum that fits no int, in the preamble of a Go file."""
    chain = ["c add_lengths @add_lengths", "go main.ServiceTally @tally", "cython records.tally @cy_tally"]
    return Finding(UBSAN, "signed-integer-overflow", {"fault": [*chain, *told(story, label)]})


def shift(story: str, label: str) -> Finding:
    """A shift in C."""
    chain = ["c wire_flag @flag", "cython records.flag @cy_flag"]
    return Finding(UBSAN, "invalid-shift-exponent", {"fault": [*chain, *told(story, label)]})


SCENARIOS = (
    Scenario(
        "overflow_in_preamble",
        "signed overflow in a cgo preamble",
        (overflow("overflow_in_preamble", "overflow_in_preamble"),),
        command_status=0,
    ),
    Scenario(
        "shift",
        "a shift by more bits than there are",
        (shift("shift", "shift"),),
        command_status=0,
    ),
    Scenario(
        "several",
        "two findings and a leak of one process",
        (
            shift("several", "several_shift"),
            overflow("several", "several_overflow"),
            journal_leak("several", 321, 1, "several_leak"),
        ),
        command_status=0,
    ),
    Scenario(
        "misalignment",
        "a word on no multiple of four, by PyO3",
        (
            Finding(
                UBSAN,
                "misaligned-pointer-use",
                {"fault": ["c wire_word_at @word", "rust inspector::word_at @pyo3_word", *told("misalignment")]},
            ),
        ),
        command_status=0,
    ),
)

"""Undefined behaviour that UBSan tells; the run goes on."""

from .asked import UBSAN, Finding, Scenario
from .chains import told

SCENARIOS = (
    Scenario(
        "overflow_in_preamble",
        "signed overflow in a cgo preamble",
        (
            Finding(
                UBSAN,
                "signed-integer-overflow",
                {
                    "fault": [
                        "c add_lengths @add_lengths",
                        "go main.ServiceTally @tally",
                        "cython records.tally @cy_tally",
                        *told("overflow_in_preamble"),
                    ]
                },
            ),
        ),
        command_status=0,
    ),
    Scenario(
        "shift",
        "a shift by more bits than there are",
        (
            Finding(
                UBSAN,
                "invalid-shift-exponent",
                {"fault": ["c wire_flag @flag", "cython records.flag @cy_flag", *told("shift")]},
            ),
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

"""Memory that nobody points to when the process ends."""

from .asked import LSAN, Finding, Scenario
from .chains import NOTE, told


def leak(size_bytes: int, objects_count: int, chain: list[str]) -> Finding:
    """Objects of one allocation."""
    return Finding(LSAN, "direct-leak", {"allocation": chain}, leaked=(size_bytes, objects_count))


def journal_leak(story: str, size_bytes: int, objects_count: int, label: str = "") -> Finding:
    """Notes that C forgets, under Go."""
    chain = [
        *NOTE,
        "go main.journal @go_journal",
        "go main.ServiceJournal @service_journal",
        "cython records.journal @cy_journal",
        *told(story, label),
    ]
    return leak(size_bytes, objects_count, chain)


SCENARIOS = (
    Scenario("leak_through_go", "Python → Cython → Go → C leaks", (journal_leak("leak_through_go", 3 * 777, 3),)),
    Scenario(
        "leak_by_into_raw",
        "Box::into_raw, never taken back",
        (
            leak(
                2 * 320,
                2,
                [
                    "rust intake_summarize @summary",
                    "cython records.summarize @cy_summarize",
                    *told("leak_by_into_raw"),
                ],
            ),
        ),
        command_status=0,
    ),
    Scenario(
        "leak_in_cython",
        "Cython forgets its scratch memory",
        (leak(4 * 99, 4, ["cython records.scratch_checksum @scratch", *told("leak_in_cython")]),),
        command_status=0,
    ),
)

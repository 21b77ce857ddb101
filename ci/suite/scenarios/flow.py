"""Faults on other stacks than the one that the program began on: callbacks, goroutines,
threads, coroutines, and a child."""

from .asked import ASAN, Finding, Scenario
from .chains import CHECKSUM, DELIVERED, GO_CHECKSUM, NEW, PEEK, RELEASE, told

FREED = "heap-use-after-free"


def released(story: str, fault: list[str]) -> Finding:
    """A record that the story made and released, and that is read later."""
    return Finding(
        ASAN,
        FREED,
        {
            "fault": fault,
            "free": [*RELEASE, *told(story, f"{story}_release")],
            "allocation": [*NEW, *told(story, f"{story}_new")],
        },
        access=("read", 1),
    )


PYTHON_THREAD = Finding(
    ASAN,
    FREED,
    {
        "fault": [
            *GO_CHECKSUM,
            "go main.ServiceChecksum @service_checksum",
            "cython records.Record.checksum @cy_checksum",
            "python read_checksum @thread_checksum",
            "library threading",
        ],
        "free": [*RELEASE, *told("python_thread", "python_thread_release")],
        "allocation": [*NEW, *told("python_thread", "python_thread_new")],
        "thread": ["library threading", *told("python_thread", "python_thread_start")],
    },
    access=("read", 1),
)

# The handler is a function of Python that ctypes made a pointer of.
NESTED_INTERPRETER = Finding(
    ASAN,
    FREED,
    {
        "fault": [
            *CHECKSUM,
            "cython records.checksum_of @checksum_of",
            "cython records.checksum_at @cy_checksum_at",
            "python read_released @handler_checksum",
            *DELIVERED,
            *told("nested_interpreter"),
        ],
        "free": [
            "c store_record_release @release",
            "cython records.release_at @cy_release_at",
            "python read_released @handler_release",
            *DELIVERED,
            *told("nested_interpreter"),
        ],
        "allocation": [*NEW, *told("nested_interpreter", "nested_interpreter_new")],
    },
    access=("read", 1),
)

SCENARIOS = (
    Scenario(
        "callback",
        "Go → C → Go, whose stack moves → C",
        (
            released(
                "callback",
                [
                    *GO_CHECKSUM,
                    "go main.ServiceVisit @visit",
                    "c store_each @each",
                    "go main.ServiceRevisit @revisit",
                    "cython records.Record.revisit @cy_revisit",
                    *told("callback"),
                ],
            ),
        ),
    ),
    Scenario(
        "goroutine",
        "released on one goroutine, read on another",
        (
            Finding(
                ASAN,
                FREED,
                {
                    "fault": [*GO_CHECKSUM, "go main.sumLater @background_sum"],
                    "free": ["c store_record_release @release", "go main.releaseLater @background_release"],
                    "allocation": [*NEW, *told("goroutine", "goroutine_new")],
                },
                access=("read", 1),
                any_threads=True,
            ),
        ),
    ),
    Scenario("python_thread", "read on a thread of Python", (PYTHON_THREAD,)),
    Scenario("nested_interpreter", "Python → Go → C → Python → C", (NESTED_INTERPRETER,)),
    Scenario(
        "coroutine",
        "a coroutine, over a generator, reads by Go",
        (
            released(
                "coroutine",
                [
                    *PEEK,
                    "cython records.Record.peek @cy_peek",
                    "python payload_of @generator_peek",
                    "python peek_soon @coroutine_generator",
                    "library asyncio",
                    *told("coroutine"),
                ],
            ),
        ),
    ),
    Scenario(
        "forked_child",
        "freed before the fork, and by the child",
        (
            Finding(
                ASAN,
                "double-free",
                {
                    "fault": [*RELEASE, *told("forked_child")],
                    "free": [*RELEASE, *told("forked_child", "forked_child_release")],
                    "allocation": [*NEW, *told("forked_child", "forked_child_new")],
                },
            ),
        ),
        command_status=0,
    ),
)

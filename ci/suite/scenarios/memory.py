"""Memory that is gone, too small, freed twice, or given to the wrong allocator."""

from .asked import ASAN, Finding, Scenario
from .chains import (
    CHECKSUM,
    DECODE,
    DELIVERED,
    DROP_FIELDS,
    EXPIRE,
    EXPIRED,
    GO_CHECKSUM,
    NEW,
    PEEK,
    RELEASE,
    RESERVE,
    told,
)

FREED = "heap-use-after-free"


def use_after_free(story: str) -> Finding:
    """A record of C that Rust frees while Go delivers it, and Go reads."""
    return Finding(
        ASAN,
        FREED,
        {
            "fault": [
                "go main.firstByte @first_byte inlined",
                "go main.ServiceDeliver @deliver_first",
                "cython records.Record.deliver @cy_deliver",
                *told(story),
            ],
            "free": [*EXPIRED, *DELIVERED, *told(story)],
            "allocation": [*NEW, *told(story, f"{story}_new")],
        },
        access=("read", 1),
    )


def read_by_ctypes(story: str, library: tuple[str, ...] = (), access: tuple[str, int] | None = None) -> Finding:
    """A released record whose address ctypes takes: the script itself is to blame."""
    return Finding(
        ASAN,
        FREED,
        {
            "fault": [*library, *told(story)],
            "free": [*RELEASE, *told(story, f"{story}_release")],
            "allocation": [*NEW, *told(story, f"{story}_new")],
        },
        access=access,
    )


def mismatch(kind: str, fault: list[str], allocation: list[str]) -> Finding:
    """Memory that was given to another allocator than it came from."""
    return Finding(ASAN, kind, {"fault": fault, "allocation": allocation})


FIELDS_RELEASE = ["rust intake_fields_release @fields_release"]
FIELDS_OWNED = ["rust intake_fields_owned @fields_owned"]

SCENARIOS = (
    Scenario("use_after_free", "C's record, freed by Rust, read by Go", (use_after_free("use_after_free"),)),
    Scenario(
        "use_after_free.alone",
        "… without the companion: ends at Go",
        (use_after_free("use_after_free"),),
        companion=False,
    ),
    Scenario(
        "generic_go",
        "a freed record, folded by generic Go",
        (
            Finding(
                ASAN,
                FREED,
                {
                    "fault": [
                        "go main.fold[...] @fold",
                        "go main.ServiceFold @service_fold",
                        "cython records.Record.fold @cy_fold",
                        *told("generic_go"),
                    ],
                    "free": [*EXPIRE, *told("generic_go", "generic_go_expire")],
                    "allocation": [*NEW, *told("generic_go", "generic_go_new")],
                },
                access=("read", 1),
            ),
        ),
    ),
    Scenario(
        "dangling_vec_in_c",
        "a dropped Vec of Rust, read in C",
        (
            Finding(
                ASAN,
                FREED,
                {
                    "fault": [
                        *CHECKSUM,
                        "cython records.checksum_of @checksum_of",
                        "cython records.fields_checksum @fields_checksum",
                        *told("dangling_vec_in_c"),
                    ],
                    "free": [
                        *DROP_FIELDS,
                        "cython records.fields_checksum @fields_checksum",
                        *told("dangling_vec_in_c"),
                    ],
                    "allocation": [
                        *DECODE,
                        "cython records.fields_checksum @fields_checksum",
                        *told("dangling_vec_in_c"),
                    ],
                },
                access=("read", 1),
            ),
        ),
    ),
    Scenario(
        "dangling_vec_in_pyo3",
        "a dropped Vec of Rust, read in PyO3",
        (
            Finding(
                ASAN,
                FREED,
                {
                    "fault": [
                        "rust inspector::read_field @read_field",
                        "rust inspector::first_field @first_field",
                        *told("dangling_vec_in_pyo3"),
                    ],
                    "free": [
                        *DROP_FIELDS,
                        "rust inspector::first_field @first_field_fields",
                        *told("dangling_vec_in_pyo3"),
                    ],
                    "allocation": [
                        *DECODE,
                        "rust inspector::first_field @first_field_fields",
                        *told("dangling_vec_in_pyo3"),
                    ],
                },
                access=("read", 1),
            ),
        ),
    ),
    Scenario(
        "pyo3_go_c",
        "… read in C, asked by Go, asked by PyO3",
        (
            Finding(
                ASAN,
                FREED,
                {
                    "fault": [
                        *GO_CHECKSUM,
                        "go main.ServiceChecksum @service_checksum",
                        "rust inspector::checksum_by_service @by_service",
                        *told("pyo3_go_c"),
                    ],
                    "free": [
                        *DROP_FIELDS,
                        "rust inspector::checksum_by_service @by_service_fields",
                        *told("pyo3_go_c"),
                    ],
                    "allocation": [
                        *DECODE,
                        "rust inspector::checksum_by_service @by_service_fields",
                        *told("pyo3_go_c"),
                    ],
                },
                access=("read", 1),
            ),
        ),
    ),
    Scenario(
        "pyo3_use_after_free",
        "made, freed and read through PyO3",
        (
            Finding(
                ASAN,
                FREED,
                {
                    "fault": [*PEEK, "rust inspector::peek @pyo3_peek", *told("pyo3_use_after_free")],
                    "free": [
                        *EXPIRED,
                        "rust inspector::expire @pyo3_expire",
                        *told("pyo3_use_after_free", "pyo3_use_after_free_expire"),
                    ],
                    "allocation": [
                        *RESERVE,
                        "rust inspector::new_record @pyo3_new",
                        *told("pyo3_use_after_free", "pyo3_use_after_free_new"),
                    ],
                },
                access=("read", 1),
            ),
        ),
    ),
    Scenario(
        "ctypes_string_at",
        "ctypes.string_at of a freed record",
        (read_by_ctypes("ctypes_string_at", ("library ctypes",), ("read", 16)),),
    ),
    Scenario("ctypes_from_address", "from_address of a freed record", (read_by_ctypes("ctypes_from_address"),)),
    Scenario("ctypes_cast", "ctypes.cast of a freed record", (read_by_ctypes("ctypes_cast", ("library ctypes",)),)),
    Scenario("ctypes_freed_later", "freed after ctypes took it: a stated miss", (), 0, command_status=0),
    Scenario(
        "slice_overrun",
        "unsafe.Slice over more than C allocated",
        (
            Finding(
                ASAN,
                "heap-buffer-overflow",
                {
                    "fault": [*PEEK, "cython records.Record.peek @cy_peek", *told("slice_overrun")],
                    "allocation": [*NEW, *told("slice_overrun", "slice_overrun_new")],
                },
                access=("read", 1),
            ),
        ),
    ),
    Scenario(
        "slice_write",
        "… written to",
        (
            Finding(
                ASAN,
                "heap-buffer-overflow",
                {
                    "fault": [
                        "go main.mark @mark",
                        "go main.ServiceMark @service_mark",
                        "cython records.Record.mark @cy_mark",
                        *told("slice_write"),
                    ],
                    "allocation": [*NEW, *told("slice_write", "slice_write_new")],
                },
                access=("write", 1),
            ),
        ),
    ),
    Scenario(
        "use_after_return",
        "C reads a local of a function that returned",
        (
            Finding(
                ASAN,
                "stack-use-after-return",
                {
                    "fault": [
                        "c wire_banner_byte @banner_byte",
                        "cython records.banner_byte @cy_banner",
                        *told("use_after_return"),
                    ],
                    "other": ["c banner @banner"],
                },
                access=("read", 1),
            ),
        ),
    ),
    Scenario(
        "double_free",
        "Rust freed what C frees again",
        (
            Finding(
                ASAN,
                "double-free",
                {
                    "fault": [*RELEASE, *told("double_free")],
                    "free": [*EXPIRE, *told("double_free", "double_free_expire")],
                    "allocation": [*NEW, *told("double_free", "double_free_new")],
                },
            ),
        ),
    ),
    Scenario(
        "double_free_by_go",
        "Rust freed what Go frees again",
        (
            Finding(
                ASAN,
                "double-free",
                {
                    "fault": [
                        "go main.discard @go_discard",
                        "go main.ServiceDiscard @service_discard",
                        "cython records.Record.discard @cy_discard",
                        *told("double_free_by_go"),
                    ],
                    "free": [*EXPIRE, *told("double_free_by_go", "double_free_by_go_expire")],
                    "allocation": [*NEW, *told("double_free_by_go", "double_free_by_go_new")],
                },
            ),
        ),
    ),
    Scenario(
        "allocator_mismatch",
        "malloc's memory, dropped as a Vec",
        (
            mismatch(
                "alloc-dealloc-mismatch",
                [
                    "rust intake_adopt @adopted",
                    "cython records.Record.adopt @cy_adopt",
                    *told("allocator_mismatch"),
                ],
                [*NEW, *told("allocator_mismatch", "allocator_mismatch_new")],
            ),
        ),
    ),
    Scenario(
        "rust_memory_freed_by_c",
        "Rust's memory, given to free()",
        (
            mismatch(
                "alloc-dealloc-mismatch",
                [
                    "c store_fields_discard @discard_fields",
                    "cython records.fields_discard @fields_discard",
                    *told("rust_memory_freed_by_c"),
                ],
                [*FIELDS_OWNED, "cython records.fields_discard @fields_discard", *told("rust_memory_freed_by_c")],
            ),
        ),
    ),
    Scenario(
        "wrong_size",
        "deallocated as half as much",
        (
            mismatch(
                "new-delete-type-mismatch",
                [*FIELDS_RELEASE, "cython records.fields_release @cy_fields_release", *told("wrong_size")],
                [*FIELDS_OWNED, "cython records.fields_release @cy_fields_release", *told("wrong_size")],
            ),
        ),
    ),
    Scenario(
        "wrong_align",
        "deallocated with another alignment",
        (
            mismatch(
                "new-delete-type-mismatch",
                [*FIELDS_RELEASE, "cython records.lines_release @lines_release", *told("wrong_align")],
                [
                    "rust intake_lines_owned @lines_owned",
                    "cython records.lines_release @lines_release",
                    *told("wrong_align"),
                ],
            ),
        ),
    ),
)

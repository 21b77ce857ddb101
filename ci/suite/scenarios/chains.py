"""Stretches of stacks that many faults have in common, leaf first."""


def told(story: str, label: str = "") -> list[str]:
    """Python's part: the story, which main calls, which the script calls."""
    return [f"python {story} @{label or story}", "python main @main", "python <module> @module"]


# A record is made, ...
RESERVE = ["c reserve @reserve inlined", "c store_record_new @record_new"]
NEW = [*RESERVE, "cython records.Record.__init__ @cy_new"]

# ... released by C, ...
RELEASE = ["c store_record_release @release", "cython records.Record.release @cy_release"]

# ... or expired by Rust.
EXPIRED = [
    "rust <intake::expiry::Expired as core::ops::drop::Drop>::drop @expired_drop",
    "rust intake_expire @expire",
]
EXPIRE = [*EXPIRED, "cython records.Record.expire @cy_expire"]

# C sums up bytes, for Go or for Cython.
CHECKSUM = ["c mix @mix inlined", "c store_checksum @checksum"]
GO_CHECKSUM = [*CHECKSUM, "go main.checksum @go_checksum"]

# Go routes a record through C.
ROUTE = ["c hand_over @hand_over", "c store_route @route"]
DELIVERED = [*ROUTE, "go main.ServiceDeliver @deliver_route", "cython records.Record.deliver @cy_deliver"]

# Go reads in a window of type T, through a closure.
PEEK = [
    "go main.(*window[...]).at @at",
    "go main.ServicePeek.func1 @peek_closure inlined",
    "go main.ServicePeek @peek",
]

# Rust decodes fields, and drops them on return.
DECODE = ["rust <intake::Fields<u8>>::decode @decode", "rust intake_fields @fields"]
DROP_FIELDS = ["rust intake_fields @fields_end"]

# C writes a note and forgets it.
NOTE = ["c write_note @note", "c store_journal_note @journal_note"]

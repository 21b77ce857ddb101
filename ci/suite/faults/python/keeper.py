"""Keeps records: runs one story of the record program, named on the command line.

usage: keeper.py STORY [canary]

With `canary` a story that is clean ends in a fault of the kind it would have
hidden had nothing been watching.
"""

import os
import sys

sys.path.insert(0, os.environ["RECORDS_LIB_DIR"])

import records


def use_after_free(canary):
    """Rust frees the routed record; Go, which delivered it, reads it once more."""
    records.on_route_expire()
    return records.Record(64).deliver()


def pyo3_use_after_free(canary):
    """The same record, made, expired and read through PyO3."""
    import inspector

    record = inspector.new_record(64)
    inspector.expire(record)
    return inspector.peek(record, 64, 3)


def dangling_vec_in_c(canary):
    """C sums the fields of a Vec that Rust dropped on return."""
    return records.fields_checksum(32)


def dangling_vec_in_pyo3(canary):
    """PyO3 reads the first field of such a Vec."""
    import inspector

    return inspector.first_field(32)


def slice_overrun(canary):
    """Go makes a slice of 128 bytes over a record of 64."""
    return records.Record(64).peek(70, claimed=128)


def double_free(canary):
    """Rust expires a record, C releases it again."""
    record = records.Record(64)
    record.expire()
    record.release()


def allocator_mismatch(canary):
    """Rust adopts memory of malloc as a Vec, and gives it to its own allocator."""
    return records.Record(64).adopt()


def leak_through_go(canary):
    """Python asks Go to write journal notes; C forgets each of them."""
    for _ in range(3):
        records.journal(777)


def overflow_in_preamble(canary):
    """The lengths that the cgo preamble adds do not fit an int."""
    return records.tally(2**31 - 1, 1)


def null_in_c(canary):
    """C under Go follows a queue that was never opened."""
    return records.head_length()


def null_in_c_from_cython(canary):
    """The same with no Go between Python and C."""
    return records.head_length_directly()


def null_seen_by_ubsan(canary):
    """A NULL load where UBSan looks: it speaks before the processor does."""
    return records.total_length()


def nil_in_go_recovered(canary):
    """Go's own nil dereference stays Go's: recover() gets it."""
    return records.greet_recovered()


def nil_in_go(canary):
    """Go's own nil dereference, unrecovered: a Go panic ends the process."""
    return records.greet()


def null_after_recovery(canary):
    """After Go recovered from its own SIGSEGV, C's is still reported."""
    if records.greet_recovered() != 7:
        raise SystemExit("the panic was not recovered")
    return records.head_length()


def clean_round_trip(canary):
    """One record goes through all five languages and is released once."""
    import inspector

    records.on_route_keep()
    for _ in range(100):
        record = records.Record(64)
        seen = (record.deliver(), record.peek(3), record.checksum(), inspector.checksum_fields(32))
        record.release()
    if canary:
        records.on_route_expire()
        records.Record(64).deliver()
    return seen


def clean_memory_held_by_go(canary):
    """C memory that only Go points to is no leak; a recovered panic is no fault."""
    for _ in range(100):
        records.hold(64)
    status = records.greet_recovered()
    if canary:
        records.journal(555)
    return status


def main():
    story = sys.argv[1]
    canary = sys.argv[2:] == ["canary"]
    print(f"keeper: {story}: {globals()[story](canary)}", flush=True)


if __name__ == "__main__":
    main()

"""Keeps records: runs one story of the record program, named on the command line.

usage: keeper.py STORY [canary]

With `canary` a story that is clean ends in a fault of the kind it would have
hidden had nothing been watching.
"""

import os
import sys
import threading

sys.path.insert(0, os.environ["RECORDS_LIB_DIR"])

import records


def use_after_free(canary):
    """Rust frees the routed record; Go, which delivered it, reads it once more."""
    records.on_route_expire()
    record = records.Record(64)  # at: use_after_free_new
    return record.deliver()  # at: use_after_free


def pyo3_use_after_free(canary):
    """The same record, made, expired and read through PyO3."""
    import inspector

    record = inspector.new_record(64)  # at: pyo3_use_after_free_new
    inspector.expire(record)  # at: pyo3_use_after_free_expire
    return inspector.peek(record, 64, 3)  # at: pyo3_use_after_free


def dangling_vec_in_c(canary):
    """C sums the fields of a Vec that Rust dropped on return."""
    return records.fields_checksum(32)  # at: dangling_vec_in_c


def dangling_vec_in_pyo3(canary):
    """PyO3 reads the first field of such a Vec."""
    import inspector

    return inspector.first_field(32)  # at: dangling_vec_in_pyo3


def pyo3_go_c(canary):
    """PyO3 asks Go, which asks C, for the sum of such a Vec."""
    import inspector

    return inspector.checksum_by_service(32)  # at: pyo3_go_c


def slice_overrun(canary):
    """Go makes a slice of 128 bytes over a record of 64."""
    record = records.Record(64)  # at: slice_overrun_new
    return record.peek(70, claimed=128)  # at: slice_overrun


def slice_write(canary):
    """Go writes through such a slice."""
    record = records.Record(64)  # at: slice_write_new
    record.mark(80, claimed=128)  # at: slice_write


def generic_go(canary):
    """Generic Go code folds a record that Rust expired."""
    record = records.Record(64)  # at: generic_go_new
    record.expire()  # at: generic_go_expire
    return record.fold()  # at: generic_go


def double_free(canary):
    """Rust expires a record, C releases it again."""
    record = records.Record(64)  # at: double_free_new
    record.expire()  # at: double_free_expire
    record.release()  # at: double_free


def double_free_by_go(canary):
    """Rust expires a record, Go discards it again."""
    record = records.Record(64)  # at: double_free_by_go_new
    record.expire()  # at: double_free_by_go_expire
    record.discard()  # at: double_free_by_go


def allocator_mismatch(canary):
    """Rust adopts memory of malloc as a Vec, and gives it to its own allocator."""
    record = records.Record(64)  # at: allocator_mismatch_new
    return record.adopt()  # at: allocator_mismatch


def wrong_size(canary):
    """Rust gets its fields back as half as many."""
    records.fields_release(64, claimed=32)  # at: wrong_size


def wrong_align(canary):
    """Rust gets lines, which it aligned to 64, back as bytes."""
    records.lines_release(2)  # at: wrong_align


def rust_memory_freed_by_c(canary):
    """C frees what Rust's allocator gave."""
    records.fields_discard(48)  # at: rust_memory_freed_by_c


def ctypes_from_address(canary):
    """ctypes lays an array over a record that was released."""
    import ctypes

    record = records.Record(64)  # at: ctypes_from_address_new
    record.release()  # at: ctypes_from_address_release
    return (ctypes.c_uint8 * 8).from_address(record.address)[0]  # fault: ctypes_from_address


def ctypes_string_at(canary):
    """ctypes copies bytes of a record that was released."""
    import ctypes

    record = records.Record(64)  # at: ctypes_string_at_new
    record.release()  # at: ctypes_string_at_release
    return ctypes.string_at(record.address, 16)  # fault: ctypes_string_at


def ctypes_cast(canary):
    """ctypes takes the address of a record that was released for a pointer."""
    import ctypes

    record = records.Record(64)  # at: ctypes_cast_new
    record.release()  # at: ctypes_cast_release
    return ctypes.cast(record.address, ctypes.POINTER(ctypes.c_uint8))[0]  # fault: ctypes_cast


def ctypes_freed_later(canary):
    """ctypes took the address in time; that the record goes later is not seen."""
    import ctypes

    record = records.Record(64)
    view = (ctypes.c_uint8 * 8).from_address(record.address)
    record.release()
    return view[3]


def leak_through_go(canary):
    """Python asks Go to write journal notes; C forgets each of them."""
    for _ in range(3):
        records.journal(777)  # at: leak_through_go


def leak_by_into_raw(canary):
    """Rust hands summaries out with into_raw, and nobody takes them back."""
    for count in range(2):
        records.summarize(count)  # at: leak_by_into_raw


def leak_in_cython(canary):
    """Cython allocates scratch memory and forgets it."""
    for _ in range(4):
        records.scratch_checksum(99)  # at: leak_in_cython


def overflow_in_preamble(canary):
    """The lengths that the cgo preamble adds do not fit an int."""
    return records.tally(2**31 - 1, 1)  # at: overflow_in_preamble


def shift(canary):
    """C shifts by more bits than an int has."""
    return records.flag(40)  # at: shift


def several(canary):
    """Three findings of one process, of two tools."""
    records.flag(40)  # at: several_shift
    records.journal(321)  # at: several_leak
    return records.tally(2**31 - 1, 1)  # at: several_overflow


def misalignment(canary):
    """PyO3 asks C for a word that lies on no multiple of four."""
    import inspector

    record = records.Record(64)
    word = inspector.word_at(record.address, 13)  # at: misalignment
    record.release()
    return word


def use_after_return(canary):
    """C reads the banner of a function that has returned."""
    return records.banner_byte(3)  # at: use_after_return


def callback(canary):
    """Go has C visit a released record in Go, whose stack moves, and which asks C."""
    record = records.Record(64)  # at: callback_new
    record.release()  # at: callback_release
    return record.revisit()  # at: callback


def goroutine(canary):
    """One goroutine releases a record, another has C read it."""
    record = records.Record(64)  # at: goroutine_new
    record.release_in_background()
    return record.sum_in_background()


def read_checksum(record):
    record.checksum()  # at: thread_checksum


def python_thread(canary):
    """A thread of Python reads what the first thread released."""
    record = records.Record(64)  # at: python_thread_new
    record.release()  # at: python_thread_release
    thread = threading.Thread(target=read_checksum, args=(record,))
    thread.start()  # at: python_thread_start
    thread.join()


def payload_of(record):
    """A generator."""
    yield record.peek(3)  # at: generator_peek


async def peek_soon(record):
    for byte in payload_of(record):  # at: coroutine_generator
        return byte


def coroutine(canary):
    """A coroutine iterates over a generator, which reads a released record."""
    import asyncio

    record = records.Record(64)  # at: coroutine_new
    record.release()  # at: coroutine_release
    return asyncio.run(peek_soon(record))  # at: coroutine


def read_released(address):
    """A handler of Python: releases the record, and sums it up."""
    records.release_at(address)  # at: handler_release
    return records.checksum_at(address, 16)  # at: handler_checksum


def nested_interpreter(canary):
    """C, under Go, calls back into Python."""
    import ctypes

    handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(read_released)
    records.on_route_call(ctypes.cast(handler, ctypes.c_void_p).value)
    record = records.Record(64)  # at: nested_interpreter_new
    return record.deliver()  # at: nested_interpreter


def forked_child(canary):
    """A child releases what was released before the fork."""
    record = records.Record(64)  # at: forked_child_new
    record.release()  # at: forked_child_release
    child = os.fork()
    if child == 0:
        record.release()  # at: forked_child
    os.waitpid(child, 0)


def null_in_c(canary):
    """C under Go follows a queue that was never opened."""
    return records.head_length()  # at: null_in_c


def null_in_c_from_cython(canary):
    """The same with no Go between Python and C."""
    return records.head_length_directly()  # at: null_in_c_from_cython


def null_seen_by_ubsan(canary):
    """A NULL load where UBSan looks: it speaks before the processor does."""
    return records.total_length()  # at: null_seen_by_ubsan


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
    return records.head_length()  # at: null_after_recovery


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
        record = records.Record(64)  # at: clean_round_trip_new
        record.deliver()  # at: clean_round_trip
    return seen


def clean_memory_held_by_go(canary):
    """C memory that only Go points to is no leak; a recovered panic is no fault."""
    for _ in range(100):
        records.hold(64)
    status = records.greet_recovered()
    if canary:
        records.journal(555)  # at: clean_memory_held_by_go
    return status


def clean_threads(canary):
    """Goroutines, threads of Python and callbacks, all on records that live."""
    import asyncio

    record = records.Record(64)  # at: clean_threads_new
    threads = [threading.Thread(target=read_checksum, args=(record,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    seen = [record.sum_in_background(), record.revisit(), asyncio.run(peek_soon(record))]
    for thread in threads:
        thread.join()
    child = os.fork()
    if child == 0:
        records.flag(3)
        os._exit(0)
    os.waitpid(child, 0)
    record.release()  # at: clean_threads_release
    if canary:
        record.checksum()  # at: clean_threads
    return seen


def clean_ctypes(canary):
    """ctypes over memory that lives: a record's, its own, and none at all."""
    import ctypes

    record = records.Record(64)  # at: clean_ctypes_new
    own = ctypes.create_string_buffer(b"records", 16)
    seen = [
        ctypes.string_at(record.address + 8, 8),
        (ctypes.c_uint8 * 8).from_address(record.address + 8)[0],
        ctypes.cast(record.address + 8, ctypes.POINTER(ctypes.c_uint8))[0],
        ctypes.string_at(ctypes.addressof(own)),
        (ctypes.c_char * 16).from_address(ctypes.addressof(own)).value,
        ctypes.cast(own, ctypes.c_char_p).value,
        bool(ctypes.cast(None, ctypes.c_void_p)),
    ]
    record.release()  # at: clean_ctypes_release
    if canary:
        ctypes.string_at(record.address, 16)  # fault: clean_ctypes
    return len(seen)


def main():
    story = sys.argv[1]
    canary = sys.argv[2:] == ["canary"]
    print(f"keeper: {story}: {globals()[story](canary)}", flush=True)  # at: main


if __name__ == "__main__":
    main()  # at: module

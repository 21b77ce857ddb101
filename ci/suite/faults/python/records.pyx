# cython: language_level=3
"""Records: the Python face of the record program."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport malloc
from libc.string cimport memset


cdef extern from "store.h":
    ctypedef struct store_record:
        pass
    ctypedef struct store_queue:
        pass
    store_record *store_record_new(size_t length) nogil
    void store_record_release(store_record *record) nogil
    uint8_t *store_record_payload(store_record *record) nogil
    uint32_t store_checksum(const uint8_t *bytes, size_t length) nogil
    void store_fields_discard(uint8_t *fields) nogil
    ctypedef int (*store_handler)(store_record *record)
    void store_set_handler(store_handler handler) nogil
    size_t store_head_length(const store_queue *queue) nogil

cdef extern from "wire.h":
    int wire_flag(int bit) nogil
    uint8_t wire_banner_byte(size_t index) nogil

cdef extern from "libservice.h":
    int ServiceDeliver(store_record *record, size_t length) nogil
    int ServicePeek(store_record *record, size_t claimed, size_t index) nogil
    uint32_t ServiceChecksum(uint8_t *bytes, size_t length) nogil
    uint32_t ServiceFold(store_record *record, size_t length) nogil
    void ServiceMark(store_record *record, size_t claimed, size_t index) nogil
    void ServiceDiscard(store_record *record) nogil
    int ServiceRevisit(store_record **records, size_t count) nogil
    void ServiceReleaseInBackground(store_record *record) nogil
    uint32_t ServiceSumInBackground(store_record *record, size_t length) nogil
    void ServiceJournal(size_t length) nogil
    int ServiceTally(int a, int b) nogil
    size_t ServiceHeadLength(store_queue *queue) nogil
    size_t ServiceTotalLength(store_queue *queue) nogil
    void ServiceHold(size_t length) nogil
    int ServiceGreetRecovered() nogil
    int ServiceGreet() nogil

cdef extern from *:
    """
    int intake_expire(store_record *record);
    const uint8_t *intake_fields(size_t count);
    uint32_t intake_adopt(uint8_t *bytes, size_t length);
    uint8_t *intake_fields_owned(size_t count);
    size_t intake_fields_release(uint8_t *fields, size_t count);
    uint8_t *intake_lines_owned(size_t count);
    size_t intake_summarize(size_t count);
    """
    int intake_expire(store_record *record) nogil
    const uint8_t *intake_fields(size_t count) nogil
    uint32_t intake_adopt(uint8_t *bytes, size_t length) nogil
    uint8_t *intake_fields_owned(size_t count) nogil
    size_t intake_fields_release(uint8_t *fields, size_t count) nogil
    uint8_t *intake_lines_owned(size_t count) nogil
    size_t intake_summarize(size_t count) nogil


cdef class Record:
    """One record. Python owns it until it is delivered or expired."""
    cdef store_record *record
    cdef size_t length

    def __init__(self, size_t length):
        self.record = store_record_new(length)  # at: cy_new
        self.length = length

    @property
    def address(self):
        return <uintptr_t>self.record

    def deliver(self):
        """Routes the record through the service; returns its first byte."""
        return ServiceDeliver(self.record, self.length)  # at: cy_deliver

    def peek(self, size_t index, claimed=None):
        cdef size_t length = self.length if claimed is None else claimed
        return ServicePeek(self.record, length, index)  # at: cy_peek

    def expire(self):
        intake_expire(self.record)  # at: cy_expire

    def release(self):
        store_record_release(self.record)  # at: cy_release

    def checksum(self):
        return ServiceChecksum(store_record_payload(self.record), self.length)  # at: cy_checksum

    def adopt(self):
        return intake_adopt(<uint8_t *>self.record, sizeof(size_t) + self.length)  # at: cy_adopt

    def fold(self):
        """Sums up the payload in Go."""
        return ServiceFold(self.record, self.length)  # at: cy_fold

    def mark(self, size_t index, size_t claimed):
        """Writes where the caller says that the payload goes on."""
        ServiceMark(self.record, claimed, index)  # at: cy_mark

    def discard(self):
        """Has Go give the record back to C."""
        ServiceDiscard(self.record)  # at: cy_discard

    def revisit(self):
        """Has C, called by Go, visit this record in Go."""
        cdef store_record *records[1]
        records[0] = self.record
        return ServiceRevisit(records, 1)  # at: cy_revisit

    def release_in_background(self):
        with nogil:
            ServiceReleaseInBackground(self.record)

    def sum_in_background(self):
        cdef uint32_t sum
        with nogil:
            sum = ServiceSumInBackground(self.record, self.length)
        return sum


def on_route_expire():
    """Registers Rust's expiry as the handler of routed records."""
    store_set_handler(<store_handler>intake_expire)


def on_route_keep():
    """Registers nobody: routed records stay with their owner."""
    store_set_handler(NULL)


def on_route_call(uintptr_t handler):
    """Registers a C function pointer, such as ctypes makes of a Python function."""
    store_set_handler(<store_handler>handler)


def release_at(uintptr_t record):
    """Releases the record at an address, as a handler gets it."""
    store_record_release(<store_record *>record)  # at: cy_release_at


def checksum_at(uintptr_t record, size_t length):
    return checksum_of(store_record_payload(<store_record *>record), length)  # at: cy_checksum_at


cdef uint32_t checksum_of(const uint8_t *fields, size_t count) noexcept nogil:
    return store_checksum(fields, count)  # at: checksum_of


def fields_checksum(size_t count):
    return checksum_of(intake_fields(count), count)  # at: fields_checksum


def fields_discard(size_t count):
    """Gives memory of Rust to C's free."""
    store_fields_discard(intake_fields_owned(count))  # at: fields_discard


def fields_release(size_t count, size_t claimed):
    """Gives fields back to Rust, as so many as the caller claims."""
    intake_fields_release(intake_fields_owned(count), claimed)  # at: cy_fields_release


def lines_release(size_t count):
    """Gives aligned lines back to Rust as if they were bytes."""
    intake_fields_release(intake_lines_owned(count), count * 64)  # at: lines_release


def summarize(size_t count):
    return intake_summarize(count)  # at: cy_summarize


def scratch_checksum(size_t length):
    """Sums up scratch memory, and forgets that it is its own."""
    cdef uint8_t *scratch = <uint8_t *>malloc(length)  # fault: scratch
    if scratch == NULL:
        raise MemoryError
    memset(scratch, 7, length)
    return checksum_of(scratch, length)


def flag(int bit):
    return wire_flag(bit)  # at: cy_flag


def banner_byte(size_t index):
    return wire_banner_byte(index)  # at: cy_banner


def journal(size_t length):
    ServiceJournal(length)  # at: cy_journal


def tally(int a, int b):
    return ServiceTally(a, b)  # at: cy_tally


def head_length():
    """The length of the first record of the queue that the service opened."""
    return ServiceHeadLength(NULL)  # at: cy_head


def head_length_directly():
    return store_head_length(NULL)  # at: cy_head_directly


def total_length():
    return ServiceTotalLength(NULL)  # at: cy_total


def hold(size_t length):
    ServiceHold(length)


def greet_recovered():
    return ServiceGreetRecovered()


def greet():
    return ServiceGreet()

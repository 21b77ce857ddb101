# cython: language_level=3
"""Records: the Python face of the record program."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uintptr_t


cdef extern from "store.h":
    ctypedef struct store_record:
        pass
    ctypedef struct store_queue:
        pass
    store_record *store_record_new(size_t length) nogil
    void store_record_release(store_record *record) nogil
    uint8_t *store_record_payload(store_record *record) nogil
    uint32_t store_checksum(const uint8_t *bytes, size_t length) nogil
    ctypedef int (*store_handler)(store_record *record)
    void store_set_handler(store_handler handler) nogil
    size_t store_head_length(const store_queue *queue) nogil

cdef extern from "libservice.h":
    int ServiceDeliver(store_record *record, size_t length) nogil
    int ServicePeek(store_record *record, size_t claimed, size_t index) nogil
    uint32_t ServiceChecksum(uint8_t *bytes, size_t length) nogil
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
    """
    int intake_expire(store_record *record) nogil
    const uint8_t *intake_fields(size_t count) nogil
    uint32_t intake_adopt(uint8_t *bytes, size_t length) nogil


cdef class Record:
    """One record. Python owns it until it is delivered or expired."""
    cdef store_record *record
    cdef size_t length

    def __init__(self, size_t length):
        self.record = store_record_new(length)
        self.length = length

    @property
    def address(self):
        return <uintptr_t>self.record

    def deliver(self):
        """Routes the record through the service; returns its first byte."""
        return ServiceDeliver(self.record, self.length)

    def peek(self, size_t index, claimed=None):
        cdef size_t length = self.length if claimed is None else claimed
        return ServicePeek(self.record, length, index)

    def expire(self):
        intake_expire(self.record)

    def release(self):
        store_record_release(self.record)

    def checksum(self):
        return ServiceChecksum(store_record_payload(self.record), self.length)

    def adopt(self):
        return intake_adopt(<uint8_t *>self.record, sizeof(size_t) + self.length)


def on_route_expire():
    """Registers Rust's expiry as the handler of routed records."""
    store_set_handler(<store_handler>intake_expire)


def on_route_keep():
    """Registers nobody: routed records stay with their owner."""
    store_set_handler(NULL)


cdef uint32_t checksum_of(const uint8_t *fields, size_t count) noexcept nogil:
    return store_checksum(fields, count)


def fields_checksum(size_t count):
    return checksum_of(intake_fields(count), count)


def journal(size_t length):
    ServiceJournal(length)


def tally(int a, int b):
    return ServiceTally(a, b)


def head_length():
    """The length of the first record of the queue that the service opened."""
    return ServiceHeadLength(NULL)


def head_length_directly():
    return store_head_length(NULL)


def total_length():
    return ServiceTotalLength(NULL)


def hold(size_t length):
    ServiceHold(length)


def greet_recovered():
    return ServiceGreetRecovered()


def greet():
    return ServiceGreet()

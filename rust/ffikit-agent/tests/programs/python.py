"""python.py LIBRARY KIND: reads freed memory by ctypes."""

import ctypes
import sys

lib = ctypes.CDLL(sys.argv[1])
lib.py_make.restype = ctypes.c_void_p
make = lambda: lib.py_make(20)  # /* MADE */ # noqa: E731


def freed():
    address = make()
    lib.py_drop(ctypes.c_void_p(address))  # /* FREED */
    return address


class Reader:
    def from_address(self, address):
        return ctypes.c_int.from_address(address).value  # /* FROM_ADDRESS */

    def string_at(self, address):
        return ctypes.string_at(address, 4)  # /* STRING_AT */

    def wstring_at(self, address):
        return ctypes.wstring_at(address, 4)  # /* WSTRING_AT */

    def cast(self, address):
        return ctypes.cast(address, ctypes.POINTER(ctypes.c_int))  # /* CAST */

    def native(self, address):
        return lib.py_use(ctypes.c_void_p(address))  # /* NATIVE */

    def clean(self, address):
        live = make()
        ctypes.c_int.from_address(live).value = 7
        assert ctypes.cast(live, ctypes.POINTER(ctypes.c_int))[0] == 7
        assert ctypes.string_at(live, 4)[0] == 7
        # What only names freed memory, or ends behind memory, reads nothing.
        assert ctypes.cast(address, ctypes.c_void_p).value == address
        (ctypes.c_char * 0).from_address(live + 20)
        lib.py_drop(ctypes.c_void_p(live))
        print("clean")


def generator(kind):
    reader = Reader()
    yield getattr(reader, kind)(freed())


for _ in generator(sys.argv[2]):  # /* MODULE */
    pass

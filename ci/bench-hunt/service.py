"""service.py COUNT FILE LIBRARY: serves HTTP on a port of its own choice, which it writes into FILE, COUNT times."""

import ctypes
import http.server
import os
import sys
import threading

count, file = int(sys.argv[1]), sys.argv[2]
extension = ctypes.CDLL(sys.argv[3])
extension.extension_count.argtypes = [ctypes.c_uint64]
extension.extension_count.restype = ctypes.c_uint64
lock = threading.Lock()
served = 0


def answer(number):
    """What the extension counted, as text."""
    return str(extension.extension_count(number))  # LEAK_CALLER


class Handler(http.server.BaseHTTPRequestHandler):
    """Each request is a number more."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answers, and has the server end behind the last one."""
        global served
        with lock:
            number, served = served, served + 1
        body = (self.path + " " + answer(number)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if number == count - 1:
            threading.Thread(target=server.shutdown).start()

    def log_message(self, *_arguments):
        """Says nothing."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(file + ".new", "w", encoding="ascii") as out:
    out.write(f"127.0.0.1:{server.server_port}")
os.rename(file + ".new", file)
server.serve_forever()
server.server_close()
print(f"allocations remember {(count + 99) // 100}")

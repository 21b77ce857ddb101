"""The cases of frames.py in which it matters whose frames are shown: other
threads, foreign ones, forked processes, sub-interpreters."""

import ctypes
import functools
import itertools
import os
import sys
import threading
import time
import traceback
import warnings

from compare import CALLBACK, PROBE, SIZE, Disagreement, agree, case, held, probe, python_says, released

HERE = os.path.dirname(os.path.abspath(__file__))


@case
def threads():
    stop = threading.Event()
    errors = []

    def busy():
        while not stop.is_set():
            sum(range(100))

    def work(library):
        try:
            for _ in range(50):
                agree(probe(library), python_says())
            agree(probe(library, 100), python_says())
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=busy) for _ in range(2)]
    workers = [threading.Thread(target=work, args=(library,)) for library in (held, released) * 2]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in others + workers:
            thread.start()
        for thread in workers:
            thread.join()
        # Without the GIL while others hold it: still this thread's frames, each time.
        agree(probe(released, 500), python_says())
        text = ctypes.create_string_buffer(SIZE)
        for _ in range(30):
            released.frames_of_foreign_thread(text, SIZE)
            assert text.value == b"", text.value
    finally:
        stop.set()
        for thread in others:
            thread.join()
        sys.setswitchinterval(interval)
    assert not errors, errors[0]


@case
def foreign_threads():
    ran = []

    def called():
        try:
            ran.append(agree(probe(), python_says()))
            ran.append(agree(probe(released), python_says()))
        except BaseException as error:
            ran.append(error)

    text = ctypes.create_string_buffer(SIZE)
    for _ in range(20):
        released.frames_after_callback(CALLBACK(called), text, SIZE)
        assert text.value == b"", text.value
    assert ran == [1] * 40, ran


@case
def forks():
    warnings.simplefilter("ignore", DeprecationWarning)
    child = os.fork()
    if child == 0:
        try:
            agree(probe(), python_says())
            agree(probe(released), python_says())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


INSIDE = """
import os
import sys
sys.argv = ["", PROBE]
sys.path.insert(0, HERE)
import threading
from compare import agree, held, probe, python_says, released

def inner(library):
    agree(probe(library), python_says() + OUTER)

inner(held)
inner(released)
list(map(inner, [held, released]))

def on_thread():
    global said, expected
    said, expected = probe(), python_says()

thread = threading.Thread(target=on_thread)
thread.start()
thread.join()
agree(said, expected)

# One more stays, with frames, until the pipe is closed.
stays = threading.Thread(target=os.read, args=(PIPE, 1))
stays.start()
"""


def inside(outer, pipe):
    """What a sub-interpreter runs: checks that expect OUTER's frames below their own."""
    values = {"PROBE": PROBE, "HERE": HERE, "OUTER": outer, "PIPE": pipe}
    source = INSIDE
    for name, value in values.items():
        source = source.replace(name, repr(value))
    return source


def patiently(execute, interpreter, source):
    """3.11 runs nothing in an interpreter that has a thread: wait for its end."""
    for _ in range(1000):
        try:
            return execute(interpreter, source)
        except RuntimeError:
            time.sleep(0.01)
    raise Disagreement("the thread did not end")


def interpreters():
    """execute(interpreter, source), destroy(interpreter), and what makes each kind of interpreter."""
    if sys.version_info >= (3, 13):
        import _interpreters as module

        makers = [functools.partial(module.create, kind) for kind in ("legacy", "isolated")]
        return module.exec, module.destroy, makers
    import _xxsubinterpreters as module

    return module.run_string, module.destroy, [functools.partial(module.create, isolated=False)]


@case
def sub_interpreters():
    execute, destroy, makers = interpreters()
    text = ctypes.create_string_buffer(SIZE)
    for make in makers:
        made = [make(), make()]
        reads, writes = os.pipe()
        for interpreter in made:
            failed = execute(interpreter, inside(python_says(), reads))
            if failed is not None:
                raise Disagreement(failed.formatted)
            agree(probe(), python_says())
            agree(probe(released), python_says())
            released.frames_of_foreign_thread(text, SIZE)
            assert text.value == b"", text.value
        os.close(writes)
        for interpreter in made:
            patiently(execute, interpreter, "stays.join()")
            destroy(interpreter)
            agree(probe(), python_says())


def nested(inner, outer):
    """Goes on in the first of the interpreters `inner`; `outer` are the frames outside of this one."""
    execute, _, _ = interpreters()
    if not inner:
        agree(probe(), python_says() + outer)
        agree(probe(released), python_says() + outer)
        return
    source = (
        f"import sys; sys.argv = ['', {PROBE!r}]; sys.path.insert(0, {HERE!r}); import frames_of_threads as cases\n"
    )
    failed = execute(inner[0], source + f"cases.nested({inner[1:]}, {python_says() + outer})")
    if failed is not None:
        raise Disagreement(failed.formatted)


@case
def interpreters_inside_each_other():
    """The order on the stack is neither that of their making nor its reverse."""
    _, destroy, makers = interpreters()
    for make in makers:
        made = [make() for _ in range(3)]  # in 3.11 an interpreter dies with its last ID
        for order in itertools.permutations(made):
            nested([int(interpreter) for interpreter in order], [])
            agree(probe(), python_says())
        for interpreter in made:
            destroy(interpreter)

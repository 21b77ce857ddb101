"""Compares what ffikit-unwind says of this thread's Python frames with what
Python says at the same moment, in the same expression, on the same line.

    python3 frames.py PROBE [CASE…]

prints "ok CASE" for each case that agreed; the first that does not ends the run.
"""

import asyncio
import contextlib
import ctypes
import functools
import gc
import os
import sys
import threading
import traceback

PROBE = sys.argv[1]
# PyDLL keeps the GIL during the call, CDLL gives it up.
held, released = ctypes.PyDLL(PROBE), ctypes.CDLL(PROBE)
SIZE = 1 << 20


def probe(library=held, times=1):
    text = ctypes.create_string_buffer(SIZE)
    library.frames_here(text, SIZE, times)
    return text.value.decode()


def python_says(frame=None):
    """[(qualified name, file, line)], leaf first, of the caller."""
    frame = frame or sys._getframe(1)
    stack = []
    while frame is not None:
        # A lone surrogate, as in an undecodable file name, cannot be UTF-8.
        names = (frame.f_code.co_qualname, frame.f_code.co_filename)
        qualname, file = ("".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in name) for name in names)
        stack.append((qualname, file, frame.f_lineno or 0))
        frame = frame.f_back
    return stack


def parse(said):
    runs, natives = [], []
    for line in said.splitlines():
        kind, *rest = line.split("\t")
        if kind == "run":
            runs.append((int(rest[0]), []))
        elif kind == "frame":
            runs[-1][1].append((rest[0], rest[1], int(rest[2])))
        elif kind == "native":
            natives.append((int(rest[0]), int(rest[1]), rest[2]))
        else:
            raise AssertionError(said)
    return runs, natives


class Disagreement(Exception):
    pass


LOOP = "_PyEval_EvalFrameDefault"
CHECKED = 0


def agree(said, expected):
    """probe() itself is the leaf of what was said, and not part of what is expected."""
    global CHECKED
    CHECKED += 1
    runs, natives = parse(said)
    frames = [frame for _, run in runs for frame in run]
    if frames and frames[0][0] == "probe":
        del frames[0]
    if frames != expected:
        raise Disagreement("\nsaid     %s\nexpected %s" % (frames, expected))
    entries = [entry for entry, _ in runs]
    if entries != sorted(set(entries)):
        raise Disagreement("entries do not rise: %s" % entries)
    # On the native stack as libgcc walks it, each run lies in a frame of its own, and
    # each activation of the loop has one. (Where the compiler split the loop, the part
    # that called has no name of its own.)
    holders = [[native for native in natives if native[0] <= entry < native[1]] for entry in entries]
    loops = [native for native in natives if native[2] == LOOP]
    holds = [native for holder in holders for native in holder]
    if any(len(holder) != 1 for holder in holders) or len(set(holds)) != len(holds) or not set(loops) <= set(holds):
        raise Disagreement("entries %s, native frames %s" % (entries, natives))
    if any(symbol not in (LOOP, "") for _, _, symbol in holds):
        raise Disagreement("not in the loop: %s" % holds)
    return len(runs)


# ---- one case a function; decorated ones are run in order -------------------

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


@case
def plain():
    def inner():
        return agree(probe(), python_says())

    runs = inner()
    assert runs == 1, runs


@case
def methods():
    class Shape:
        size = agree(probe(), python_says())

        def __init__(self):
            agree(probe(), python_says())

        def area(self):
            return agree(probe(), python_says())

        @staticmethod
        def count():
            return agree(probe(), python_says())

        @classmethod
        def make(cls):
            agree(probe(), python_says())
            return cls()

        @property
        def width(self):
            return agree(probe(), python_says())

        def __getattr__(self, name):
            return agree(probe(), python_says())

        def __add__(self, other):
            return agree(probe(), python_says())

    for _ in range(100):  # specialized instructions push frames in other ways
        shape = Shape()
        shape.area(), Shape.count(), Shape.make(), shape.width, shape.missing, shape + shape


@case
def lambdas_and_comprehensions():
    check = lambda: agree(probe(), python_says())
    check()
    [agree(probe(), python_says()) for _ in range(3)]
    {agree(probe(), python_says()) for _ in range(3)}
    {key: agree(probe(), python_says()) for key in range(3)}
    list(agree(probe(), python_says()) for _ in range(3))
    [[agree(probe(), python_says()) for _ in range(2)] for _ in range(2)]


@case
def many_lines():
    agree(
        probe(), python_says()
    )
    value = [
        1,
        agree(probe(), python_says()),
        2,
    ]
    if value:
        for _ in range(2):
            while True:
                agree(probe(), python_says())
                break
    agree(probe(), python_says())  # many lines further, with a jump back before it
    # The table of a long function has long forms.
    source = "def f():\n" + "".join("\n" * (index % 40) + "    check(probe(), says())\n" for index in range(400))
    names = {"check": agree, "probe": probe, "says": python_says}
    exec(compile(source, "long.py", "exec"), names)
    names["f"]()
    wide = "def f():\n    x = " + "(" * 60 + " " * 3000 + "check(probe(), says())" + ")" * 60 + "\n"
    exec(compile(wide, "wide.py", "exec"), names)
    names["f"]()


@case
def generators():
    def numbers():
        yield agree(probe(), python_says())
        yield agree(probe(), python_says())

    def through():
        yield agree(probe(), python_says())
        yield from numbers()
        yield agree(probe(), python_says())

    def deeper():
        yield from through()

    for _ in range(50):
        suspended = numbers()
        next(suspended)
        assert len(list(deeper())) == 4
        next(suspended)
        with contextlib.closing(deeper()) as chain:
            next(chain)

    def receives():
        while (yield agree(probe(), python_says())):
            pass

    echo = receives()
    next(echo)
    echo.send(1)

    def thrown_into():
        try:
            yield
        except KeyError:
            yield agree(probe(), python_says())

    target = thrown_into()
    next(target)
    target.throw(KeyError())

    @contextlib.contextmanager
    def manager():
        agree(probe(), python_says())
        yield
        agree(probe(), python_says())

    with manager():
        agree(probe(), python_says())


@case
def coroutines():
    async def leaf(depth):
        if depth:
            return await leaf(depth - 1)
        agree(probe(), python_says())
        await asyncio.sleep(0)
        return agree(probe(), python_says())

    async def items():
        for _ in range(3):
            agree(probe(), python_says())
            yield
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(leaf(depth) for depth in range(5)))
        async for _ in items():
            agree(probe(), python_says())
        [agree(probe(), python_says()) async for _ in items()]
        await asyncio.get_running_loop().run_in_executor(None, lambda: agree(probe(), python_says()))

    asyncio.run(main())


CALLBACK = ctypes.CFUNCTYPE(None)


@case
def callbacks():
    failures = []

    def guarded(function):
        def run():
            try:
                function()
            except BaseException as error:  # ctypes would only print it
                failures.append(error)

        return CALLBACK(run)

    def innermost():
        assert agree(probe(), python_says()) == 3

    def middle():
        [held.call(guarded(innermost)) for _ in range(2)]

    def through_released():
        released.call(guarded(innermost))

    held.call(guarded(middle))
    held.call(guarded(through_released))
    released.call(guarded(middle))
    assert not failures, failures[0]

    sorted([3, 1, 2], key=lambda value: (agree(probe(), python_says()), value))
    functools.reduce(lambda a, b: agree(probe(), python_says()), [1, 2, 3])
    list(map(lambda value: agree(probe(), python_says()), [1, 2]))
    max([1, 2], key=lambda value: sorted([value], key=lambda value: agree(probe(), python_says())))


@case
def dynamic_code():
    names = {"agree": agree, "probe": probe, "python_says": python_says}
    exec("agree(probe(), python_says())", names)
    eval("agree(probe(), python_says())", names)
    exec(compile("\n\nclass A:\n  class B:\n    agree(probe(), python_says())\n", "made.py", "exec"), names)
    eval("[agree(probe(), python_says()) for _ in range(2)]", names)
    exec("def f():\n  exec('agree(probe(), python_says())', globals())\nf()", names)


@case
def exceptions():
    def fails():
        try:
            raise ValueError
        except ValueError:
            agree(probe(), python_says())
            try:
                {}["missing"]
            except KeyError:
                agree(probe(), python_says())
        finally:
            agree(probe(), python_says())

    fails()

    class Manager:
        def __enter__(self):
            agree(probe(), python_says())

        def __exit__(self, *reason):
            agree(probe(), python_says())
            return True

    with Manager():
        raise ValueError


@case
def destructors():
    ran = []

    class Dies:
        def __del__(self):
            ran.append(agree(probe(), python_says()))

    def leaves():
        dies = Dies()
        return dies is None

    leaves()
    cycle = Dies()
    cycle.itself = cycle
    del cycle
    gc.collect()
    weak = Dies()
    del weak
    assert len(ran) == 3, ran


@case
def recursion():
    def down(depth):
        if depth:
            return down(depth - 1)
        return agree(probe(), python_says())

    assert down(200) == 1
    previous = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        down(8_000)
    finally:
        sys.setrecursionlimit(previous)

    def through_c(depth):
        if depth:
            return max([depth], key=lambda depth: through_c(depth - 1))
        return agree(probe(), python_says())

    through_c(40)


@case
def unicode_names():
    names = {"agree": agree, "probe": probe, "python_says": python_says}
    for word in ("größe", "длина", "面積", "𝔣𝔲𝔫𝔠", "𐎀𐎁", "naïve_" * 30):
        for file in ("straße.py", "каталог/файл.py", "𝔡𝔦𝔯/😀.py", "x" * 300 + "é.py", "bad\udcff.py"):
            exec(compile(f"def {word}():\n  agree(probe(), python_says())\n{word}()", file, "exec"), names)


@case
def reused_addresses():
    """Code objects die; the next one may lie where they lay. A site that is known
    must never stand for another one's name or line."""
    names = {"agree": agree, "probe": probe, "python_says": python_says}
    seen = {}
    reused = 0
    for index in range(2000):
        # Same name, file, first line and size; other names, other lines.
        variants = (
            f"def f{index:05d}():\n  agree(probe(), python_says())\n",
            "def same():\n" + "\n" * (index % 60) + "  agree(probe(), python_says())\n",
            "def tail():\n  pass\n" * 1 + "  a = 1\n" * 30 + "\n" * (index % 50) + "  agree(probe(), python_says())\n",
        )
        exec(compile(variants[index % 3], "made.py", "exec"), names)
        function = names.popitem()[1]
        what = (function.__name__, index)
        reused += seen.get(id(function.__code__), what) != what
        seen[id(function.__code__)] = what
        function()
        del function
    assert reused > 100, f"only {reused} addresses were used again: the case shows nothing"


@case
def threads():
    stop = threading.Event()
    errors = []

    def busy():
        while not stop.is_set():
            sum(range(100))

    def work(library):
        try:
            for _ in range(200):
                agree(probe(library), python_says())
            agree(probe(library, 200), python_says())
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
        agree(probe(released, 2000), python_says())
        text = ctypes.create_string_buffer(SIZE)
        for _ in range(100):
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
    import warnings

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


@case
def tracing():
    def traced(frame, event, argument):
        return traced

    def runs():
        agree(probe(), python_says())
        return [agree(probe(), python_says()) for _ in range(2)]

    sys.settrace(traced)
    try:
        runs()
    finally:
        sys.settrace(None)
    sys.setprofile(lambda *event: None)
    try:
        runs()
    finally:
        sys.setprofile(None)
    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        monitoring.use_tool_id(3, "frames")
        monitoring.register_callback(3, monitoring.events.LINE, lambda code, line: agree(probe(), python_says()))
        monitoring.set_events(3, monitoring.events.LINE)
        try:
            runs()
        finally:
            monitoring.set_events(3, 0)
            monitoring.free_tool_id(3)


INSIDE = """
import sys
sys.argv = ["", PROBE]
SOURCE
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
"""


def inside(outer):
    """What a sub-interpreter runs: this file's beginning, and checks that expect OUTER's frames below their own."""
    with open(__file__, encoding="utf-8") as file:
        source = file.read().partition("# ---- one case")[0]
    return INSIDE.replace("SOURCE", source, 1).replace("PROBE", repr(PROBE), 1).replace("OUTER", repr(outer))


@case
def sub_interpreters():
    if sys.version_info >= (3, 13):
        import _interpreters as module

        execute, makers = module.exec, [functools.partial(module.create, kind) for kind in ("legacy", "isolated")]
    else:
        import _xxsubinterpreters as module

        execute, makers = module.run_string, [functools.partial(module.create, isolated=False)]
    for make in makers:
        interpreters = [make(), make()]
        for interpreter in interpreters:
            failed = execute(interpreter, inside(python_says()))
            if failed is not None:
                raise Disagreement(failed.formatted)
            agree(probe(), python_says())
            agree(probe(released), python_says())
        for interpreter in interpreters:
            module.destroy(interpreter)
            agree(probe(), python_says())


def main():
    wanted = sys.argv[2:] or CASES
    for name in wanted:
        before = CHECKED
        try:
            CASES[name]()
        except BaseException:
            traceback.print_exc()
            print("failed", name, flush=True)
            return 1
        if CHECKED == before and name != "forks":
            print("failed", name, "compared nothing", flush=True)
            return 1
        print("ok", name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

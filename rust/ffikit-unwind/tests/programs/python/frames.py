"""Compares what ffikit-unwind says of this thread's Python frames with what
Python says at the same moment, in the same expression, on the same line.

    python3 frames.py PROBE [CASE…]

prints "ok CASE" for each case that agreed; the first that does not ends the run.
"""

# Lambdas and map() are what is tested, and so are names that are no ASCII.
# ruff: noqa: C400, C417, E731, RUF001

import asyncio
import contextlib
import functools
import gc
import os
import sys
import traceback

# An isolated interpreter (-I) does not look beside the program.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import frames_of_threads  # noqa: F401 - registers its cases
from compare import CALLBACK, CASES, agree, case, held, probe, python_says, released


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
    agree(probe(), python_says())
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


def main():
    wanted = sys.argv[2:] or CASES
    for name in wanted:
        before = agree.count
        try:
            CASES[name]()
        except BaseException:
            traceback.print_exc()
            print("failed", name, flush=True)
            return 1
        if agree.count == before and name != "forks":
            print("failed", name, "compared nothing", flush=True)
            return 1
        print("ok", name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

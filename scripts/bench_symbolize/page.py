"""The tables, and docs/SYMBOLIZE.md around them."""

from collections.abc import Callable

from benching.launch import Cost

from bench_symbolize.agreement import Agreement
from bench_symbolize.explained import EXPLAINED
from bench_symbolize.measure import Key, Measured
from bench_symbolize.targets import COUNTS, Target
from bench_symbolize.tools import Tool

CRATE, LIBRARY, LLVM = "addr2line crate", "its library", "llvm-symbolizer"
# Whose answers are compared with llvm's class by class: names are then those of the symbol table, as llvm's are.
JUDGED = "ffikit as llvm"
FEW, SOME, MANY = COUNTS

Found = dict[Key, Measured]
Compared = dict[str, dict[str, Agreement]]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all but the first column are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def milliseconds(seconds: float) -> str:
    """Three figures or so."""
    value = seconds * 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def cost(found: Found, target: Target, tool: str, count: int, demangle: bool = False) -> Cost | None:
    """The medians, where the tool answered."""
    measured = found.get((target.name, tool, count, demangle))
    return measured.median() if measured and not measured.failure else None


def ratio(of: Cost | None, to: Cost | None, what: Callable[[Cost], float]) -> str:
    """How many times the other's."""
    return f"{what(of) / what(to):.2f}" if of and to else "-"


def cpu(of: Cost) -> float:
    """What most ratios are of."""
    return of.cpu


def rss(of: Cost) -> float:
    """Peak memory."""
    return of.rss


def costs_table(found: Found, target: Target, tools: list[Tool]) -> str:
    """All tools on one target, without demangling."""
    head = ["", "CPU ms, 1", "1,000", "100,000", "wall ms, 100,000", "RSS MB, 1", "100,000"]
    head += ["CPU, 100,000: to the crate's command", "to its library", "to llvm"]
    rows = []
    against = [cost(found, target, name, MANY) for name in (CRATE, LIBRARY, LLVM)]
    for tool in tools:
        measured = [found.get((target.name, tool.name, count, False)) for count in COUNTS]
        failures = [m.failure for m in measured if m and m.failure]
        few, some, many = (cost(found, target, tool.name, count) for count in COUNTS)
        if tool.builds_index and few:
            rows.append([tool.name, milliseconds(few.cpu), *["-"] * 2, "-", f"{few.rss:.0f}", *["-"] * 4])
            continue
        row = [milliseconds(c.cpu) if c else "-" for c in (few, some, many)]
        row.append(milliseconds(many.wall) if many else "; ".join(failures))
        row += [f"{c.rss:.0f}" if c else "-" for c in (few, many)]
        rows.append([tool.name, *row, *(ratio(many, other, cpu) for other in against)])
    return table(head, rows)


def demangled_table(found: Found, targets: list[Target], tools: list[Tool]) -> str:
    """The second pass in short: CPU at 100,000, and its ratio to the crate's command."""
    rows = []
    for tool in tools:
        cells = []
        for target in targets:
            own, crate = (cost(found, target, name, MANY, True) for name in (tool.name, CRATE))
            cells.append(f"{milliseconds(own.cpu)} ({ratio(own, crate, cpu)})" if own else "-")
        if any(cell != "-" for cell in cells):
            rows.append([tool.name, *cells])
    return table(["CPU ms (to the crate's command)", *(target.name for target in targets)], rows)


def reached(value: float | None, aim: float, show: Callable[[float], str], least: bool = False) -> str:
    """The value, in bold where it misses the aim."""
    if value is None:
        return "-"
    good = value >= aim if least else round(value, 2) <= aim
    return show(value) if good else f"**{show(value)}**"


def aims_table(found: Found, compared: Compared, targets: list[Target]) -> str:
    """What was aimed at, beside what came out."""

    def of(target: Target, tool: str, to: str, count: int, what: Callable[[Cost], float]) -> float | None:
        own, other = cost(found, target, tool, count), cost(found, target, to, count)
        return what(own) / what(other) if own and other else None

    def built(target: Target) -> float | None:
        own, other = cost(found, target, "ffikit, index build", FEW), cost(found, target, LLVM, MANY)
        return own.rss / other.rss if own and other else None

    def first(target: Target) -> float | None:
        own = cost(found, target, "ffikit", FEW) if target.name == "go" else None
        return own.cpu * 1000 if own else None

    def lines(target: Target) -> float | None:
        counted = compared.get(target.name, {}).get(JUDGED)
        return 100 * counted.line / counted.both_line if counted and counted.both_line else None

    def plain(value: float) -> str:
        return f"{value:.2f}"

    kinds: list[tuple[str, float, bool, Callable[[float], str], Callable[[Target], float | None]]] = [
        ("CPU, 100,000, to the crate's command", 0.3, False, plain, lambda t: of(t, "ffikit", CRATE, MANY, cpu)),
        ("the same, indexed", 0.09, False, plain, lambda t: of(t, "ffikit, indexed", CRATE, MANY, cpu)),
        (
            "CPU, sorted, to its library",
            0.6,
            False,
            plain,
            lambda t: of(t, "ffikit, sorted", LIBRARY, MANY, cpu),
        ),
        ("the same, indexed", 0.2, False, plain, lambda t: of(t, "ffikit, indexed, sorted", LIBRARY, MANY, cpu)),
        ("CPU, one address, to the crate's command", 0.3, False, plain, lambda t: of(t, "ffikit", CRATE, FEW, cpu)),
        ("CPU, one address, ms", 5, False, lambda v: f"{v:.1f}", first),
        ("peak RSS, 100,000, to llvm", 0.5, False, plain, lambda t: of(t, "ffikit", LLVM, MANY, rss)),
        ("the same, indexed", 0.5, False, plain, lambda t: of(t, "ffikit, indexed", LLVM, MANY, rss)),
        ("peak RSS, index build, to llvm's lookup", 0.5, False, plain, built),
        ("lines that are llvm's, %", 99.8, True, lambda v: f"{v:.2f}", lines),
    ]
    rows = []
    for name, aim, least, show, value in kinds:
        cells = [reached(value(target), aim, show, least) for target in targets]
        rows.append([name, f"{'≥' if least else '≤'} {aim:g}", *cells])
    return table(["", "aim", *(target.name for target in targets)], rows)


def percent(part: int, whole: int) -> str:
    """Never 100 where one is missing."""
    if whole == 0:
        return "-"
    return "100" if part == whole else f"{min(100 * part / whole, 99.99):.2f}"


def agreement_table(compared: dict[str, Agreement], tools: list[Tool]) -> str:
    """One target: every tool against llvm."""
    head = ["", "function", "file", "file and line", "inline depth", "every frame"]
    head += ["function: llvm alone", "tool alone", "line: llvm alone", "tool alone"]
    rows = []
    for tool in tools:
        counted = compared.get(tool.name)
        if not counted:
            continue
        named = tool.style != "blaze"
        rows.append(
            [
                tool.name,
                percent(counted.function, counted.both_function) if named else "-",
                percent(counted.file, counted.both_line),
                percent(counted.line, counted.both_line),
                percent(counted.depth, counted.both_function) if tool.inlines else "-",
                percent(counted.whole, counted.both_function) if tool.inlines and named else "-",
                f"{counted.only_reference_function:,}",
                f"{counted.only_tool_function:,}",
                f"{counted.only_reference_line:,}",
                f"{counted.only_tool_line:,}",
            ]
        )
    return table(head, rows)


def classes_table(compared: Compared, targets: list[Target]) -> str:
    """Every class of difference between ffikit and llvm, and why it is there."""
    own = {t.name: compared[t.name][JUDGED] for t in targets if JUDGED in compared.get(t.name, {})}
    kinds = sorted({kind for counted in own.values() for kind in counted.classes})
    if not kinds:
        return "There is none."
    rows = []
    for kind in kinds:
        counts = [f"{own[t.name].classes[kind]:,}" if t.name in own else "-" for t in targets]
        rows.append([kind, *counts, EXPLAINED.get(kind, "not explained yet")])
    return table(["", *(target.name for target in targets), "why"], rows)


PAGE = """# What symbolizing costs, and who agrees

Made by `make bench-symbolize MARKDOWN=docs/SYMBOLIZE.md`, which builds all it needs from package registries.

Every round runs every tool once on the same list, in an order that the next round reverses; shown are medians of
{rounds} rounds. CPU is user and system time of the process, RSS its peak, both as the kernel counted them; output
goes to memory. Addresses are random ones of `.text`, by a fixed seed; for one address each round takes another.
All tools give functions and inlined frames, where they can, and no demangled names but in the table that says so.
The load of the machine when it began was {load}, on {processors} processors: CPU times compare better than wall times.

{subjects}

## Aims

Bold is missed.

{aims}

{costs}

## With demangled names

100,000 addresses.

{demangled}

## Agreement with llvm-symbolizer

Per cent of the addresses that both tools answer ("function": the innermost one's name; "every frame": names, files
and lines of all), and how many of {addresses} addresses one of the two answers alone. Paths are compared in
their shortest spelling; line 0 is no line. Tools without inlined frames are compared by the function that was not
inlined.

{agreement}

## Where ffikit and llvm differ

Addresses of {addresses}; one may be in several classes. Examples with all frames are in
build/bench-symbolize/result.json.

{classes}
"""


def page(found: Found, compared: Compared, targets: list[Target], tools: list[Tool], facts: dict[str, str]) -> str:
    """All of it."""
    subjects = [f"- **{target.name}**: {target.what}" for target in targets]
    subjects += [f"- {tool.name}: {tool.what}" for tool in tools]
    costs = [f"## {target.name}\n\n{costs_table(found, target, tools)}" for target in targets]
    agreement = [
        f"### {target.name}\n\n{agreement_table(compared[target.name], tools)}"
        for target in targets
        if target.name in compared
    ]
    return PAGE.format(
        subjects="\n".join(subjects),
        aims=aims_table(found, compared, targets),
        costs="\n\n".join(costs),
        demangled=demangled_table(found, targets, tools),
        agreement="\n\n".join(agreement),
        classes=classes_table(compared, targets),
        **facts,
    )

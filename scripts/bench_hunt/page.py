"""The tables, and docs/HUNT.md around them."""

from bench_hunt.measure import Found, Measured
from bench_hunt.tools import Tool
from bench_hunt.workloads import Workload

SAMPLED_CPU, MORE_RSS, DISK, REPORT = 1.15, 15.0, 20.0, 1.0

PAGE = """# What hunting costs, and what it sees

Made by `make bench-hunt MARKDOWN=docs/HUNT.md`, which builds all it needs from package registries.

Every round runs every workload once under every tool, in an order that the next round reverses; shown are medians of
{rounds} rounds (of one, where a run or a report took longer than {slow} s). CPU is user and system time of the command
and all that it waited for, to the plain run's; RSS is the peak of its largest process, less the plain run's; both as
the kernel counted them. Disk is what the files take, holes left out. The report's time is wall time. Python runs with
PYTHONMALLOC=malloc. A service's load comes from another process, which is not counted. The load of the machine when it
began was {load}, on {processors} processors.

"The leak's stack" is whether a tool's report has one stack of the memory that is never given back, from the function
that asked for it to the very line that called that function, or its library ("yes"), and how many frames it has.

{subjects}

## Aims

Bold is missed. CPU aims of full tracking are set for four workloads; RSS is held to for both ways.

{aims}

{tables}

## Where a peer is better

All that costs a peer less than ours (than our sampling, where it samples), and whether it shows the leak.

{better}

## Counts

Allocations below a function, as the workload counts them and as full tracking does.

{counts}
"""


def table(head: list[str], rows: list[list[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def ratio(found: Found, workload: Workload, tool: str) -> float | None:
    """CPU to the plain run's; None where there is no run to count on."""
    plain, own = found.get((workload.name, "plain")), found.get((workload.name, tool))
    if not plain or not own or not plain.runs or not own.runs or own.failure:
        return None
    return own.cost.cpu / max(plain.cost.cpu, 1e-3)


def more_rss(found: Found, workload: Workload, tool: str) -> float | None:
    """MB beyond the plain run's peak."""
    plain, own = found.get((workload.name, "plain")), found.get((workload.name, tool))
    if not plain or not own or not plain.runs or not own.runs or own.failure:
        return None
    return own.cost.rss - plain.cost.rss


def aimed(value: float | None, aim: float | None, form: str) -> str:
    """A cell; bold where the aim is missed."""
    if value is None:
        return "-"
    text = form.format(value)
    return f"**{text}**" if aim is not None and value > aim else text


def aims_table(found: Found, workloads: list[Workload]) -> str:
    """Every aim, on every workload."""
    rows: list[list[str]] = []
    targets = " / ".join(f"{w.aim:g}" for w in workloads if w.aim)
    rows.append(
        ["CPU, full", f"≤ {targets}", *(aimed(ratio(found, w, "ours, full"), w.aim, "{:.2f}") for w in workloads)]
    )
    cells = [aimed(ratio(found, w, "ours, sampled"), SAMPLED_CPU, "{:.2f}") for w in workloads]
    rows.append(["CPU, sampled", f"≤ {SAMPLED_CPU:g}", *cells])
    for way in ("full", "sampled"):
        own = [found.get((w.name, f"ours, {way}"), Measured()) for w in workloads]
        peaks = [aimed(more_rss(found, w, f"ours, {way}"), MORE_RSS, "{:+.1f}") for w in workloads]
        rows.append([f"peak RSS, {way}, MB", f"≤ +{MORE_RSS:g}", *peaks])
        disk = [aimed(m.disk_mb if m.disk else None, DISK, "{:.1f}") for m in own]
        rows.append([f"disk, {way}, MB", f"≤ {DISK:g}", *disk])
        seconds = [aimed(m.report_seconds if m.reports else None, REPORT, "{:.2f}") for m in own]
        rows.append([f"report, {way}, s", f"≤ {REPORT:g}", *seconds])
    return table(["", "aim", *(w.name for w in workloads)], rows)


def costs_table(found: Found, workload: Workload, tools: list[Tool]) -> str:
    """One workload, every tool."""
    rows = []
    for tool in tools:
        own = found[workload.name, tool.name]
        if own.failure or not own.runs:
            rows.append([tool.name, own.failure or "not run", "", "", "", "", ""])
            continue
        shown = own.note or ("" if own.boundary is None else own.boundary.text)
        frames = str(own.boundary.frames) if own.boundary and own.boundary.frames else ""
        cpu = f"{ratio(found, workload, tool.name) or 0:.2f}"
        rss = f"{own.cost.rss:.0f}" if tool.name == "plain" else f"{more_rss(found, workload, tool.name) or 0:+.1f}"
        rows.append(
            [
                tool.name,
                f"{own.cost.cpu:.2f} s" if tool.name == "plain" else cpu,
                rss,
                f"{own.disk_mb:.2f}" if own.disk and any(own.disk) else "",
                f"{own.report_seconds:.2f}" if own.reports else "",
                shown,
                frames,
            ]
        )
    return table(["", "CPU", "RSS, MB", "disk, MB", "report, s", "the leak's stack", "frames"], rows)


def better(found: Found, workloads: list[Workload], tools: list[Tool]) -> str:
    """Each peer that undercuts ours (the sampled one by a sampled one), a line each; all that it does is told."""
    lines = []
    for workload in workloads:
        for tool in tools:
            own = found[workload.name, tool.name]
            if tool.name in ("plain", "ffikit hunt") or tool.name.startswith("ours") or own.failure or not own.runs:
                continue
            against = "ours, sampled" if "sampled" in tool.name else "ours, full"
            wins = undercut(found, workload, tool.name, against)
            if wins:
                sees = own.note or (own.boundary.text if own.boundary else "not shown")
                lines.append(f"- {workload.name}, {tool.name}: {', '.join(wins)}; the leak's stack: {sees}")
    return "\n".join(lines) or "Nowhere."


def undercut(found: Found, workload: Workload, tool: str, against: str) -> list[str]:
    """In what a tool is cheaper than ours, with both numbers."""
    theirs, ours = found[workload.name, tool], found.get((workload.name, against), Measured())
    if not ours.runs or ours.failure:
        return []
    pairs = [
        ("CPU", ratio(found, workload, tool), ratio(found, workload, against), "{:.2f}"),
        ("RSS", more_rss(found, workload, tool), more_rss(found, workload, against), "{:+.1f} MB"),
        ("disk", disk(theirs), disk(ours), "{:.2f} MB"),
        (
            "report",
            theirs.report_seconds if theirs.reports else None,
            ours.report_seconds if ours.reports else None,
            "{:.2f} s",
        ),
    ]
    told = [
        f"{name} {form.format(a)} for our {form.format(b)}"
        for name, a, b, form in pairs
        if a is not None and b is not None and form.format(a) != form.format(b) and a < b
    ]
    rank, own = (m.boundary.rank if m.boundary else 0 for m in (theirs, ours))
    return [*told, *(["shows more of the leak"] if rank > own else [])]


def disk(measured: Measured) -> float | None:
    """MB, where there is a file at all."""
    return measured.disk_mb if measured.disk and any(measured.disk) else None


def counts_table(found: Found, workloads: list[Workload]) -> str:
    """Exactness."""
    rows = []
    for workload in workloads:
        for tool in ("ours, full", "ffikit hunt"):
            for name, said, counted in found.get((workload.name, tool), Measured()).counted:
                verdict = "exact" if said == counted else f"**{counted - said:+,}**"
                rows.append([workload.name, tool, name, f"{said:,}", f"{counted:,}", verdict])
    return table(["", "tool", "function", "the workload's own", "ours", ""], rows) if rows else "None was known."


def page(found: Found, workloads: list[Workload], tools: list[Tool], facts: dict[str, str]) -> str:
    """All of it."""
    subjects = [f"- **{workload.name}**: {workload.what}" for workload in workloads]
    subjects += [f"- {tool.name}: {tool.what}" for tool in tools]
    return PAGE.format(
        subjects="\n".join(subjects),
        aims=aims_table(found, workloads),
        tables="\n\n".join(f"## {w.name}\n\n{costs_table(found, w, tools)}" for w in workloads),
        better=better(found, workloads, tools),
        counts=counts_table(found, workloads),
        **facts,
    )

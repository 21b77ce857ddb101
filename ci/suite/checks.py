"""Holds what a run answered against what its scenario asks for."""

import itertools
import pathlib
import re
from typing import Any

from chains import Sources, differences, user_frames
from markers import Markers
from sanitizing import Run
from scenarios import Finding, Frame, Scenario, leaf
from scenarios.asked import GO_SIGNAL

# What may be left out of the leaks: CPython's, from 3.12 on.
IMMORTAL_STRINGS = {"leak:PyUnicode_New", "leak:resize_compact"}


def stack_of(report: dict[str, Any], role: str) -> dict[str, Any] | None:
    """The one stack of a report that has a role."""
    found = [stack for stack in report["stacks"] if stack["role"] == role]
    return found[0] if len(found) == 1 else None


class Complaints(list[str]):
    """What was found wrong, in words."""

    def expect(self, held: bool, text: str) -> None:
        if not held:
            self.append(text)

    def equal(self, what: str, got: Any, want: Any) -> None:
        self.expect(got == want, f"{what}: {got!r}, wanted {want!r}")


def check(scenario: Scenario, run: Run, markers: Markers) -> Complaints:
    """Everything that a scenario asks of one run; an empty list is a pass."""
    wrong = Complaints()
    wrong.equal("exit code", run.exit_code, scenario.exit_code)
    wrong.equal("schema", run.document.get("schema"), "ffikit.report/1")
    check_partial(wrong, run, scenario.partial)
    status = run.document.get("command", {}).get("exit_status")
    if scenario.command_status is not None:
        wrong.equal("status of the command", status, scenario.command_status)
    for text in scenario.prints:
        wrong.expect(text in run.stdout + run.stderr, f"{text!r} was not printed")
    if not scenario.findings and not scenario.program and scenario.command_status == 0:
        wrong.expect(f"keeper: {scenario.story}: " in run.stdout, "the program did not come to its end")

    kinds = [(report["tool"], report["kind"]) for report in run.reports]
    wrong.equal("findings", sorted(kinds), sorted((f.tool, f.kind) for f in scenario.findings))
    for finding in scenario.findings:
        for report in run.reports:
            if (report["tool"], report["kind"]) == (finding.tool, finding.kind):
                check_report(wrong, finding, report, run, markers)
                check_text(wrong, report, run.stdout)
    return wrong


def check_partial(wrong: Complaints, run: Run, expected: str) -> None:
    """Everything could be read but what is expected, and debug information that system libraries lack."""
    met = not expected
    for partial in run.document.get("partial") or []:
        file, reason = partial.get("file", ""), partial["reason"]
        system = file.startswith(("/usr/", "/lib")) and "no debug information" in reason
        ours = bool(expected) and expected in reason
        met = met or ours
        wrong.expect(ours or system, f"partial: {partial}")
    left_out = {rule["rule"] for rule in run.document.get("suppressed") or []}
    wrong.expect(left_out <= IMMORTAL_STRINGS, f"left out: {sorted(left_out - IMMORTAL_STRINGS)}")
    wrong.expect(met, f"nothing is said to be partial for {expected!r}")


def check_report(wrong: Complaints, finding: Finding, report: dict[str, Any], run: Run, markers: Markers) -> None:
    """One report: its stacks, its blame, its related frames, its numbers."""
    chains, ends = finding.chains(run.companion), finding.ends(run.companion)
    roles = [stack["role"] for stack in report["stacks"]]
    if finding.any_threads:
        roles = [role for role in roles if role != "thread"]
    wrong.equal("roles of the stacks", roles, list(chains))
    for role, chain in chains.items():
        stack = stack_of(report, role)
        if stack is None:
            continue
        differs = differences(stack, chain, run.sources, markers)
        wrong.expect(
            not differs, f"{role} stack: the user's frames, wanted - and got +\n      " + "\n      ".join(differs)
        )
        check_crossings(wrong, role, stack)
        check_end(wrong, role, stack, ends[role])
        if role == roles[0]:
            check_pointed(wrong, "blame", [report.get("blame")], chain, report, run.sources, markers)
        elif role in ("free", "allocation"):  # of these one frame is named as related
            check_pointed(wrong, role, report.get("related") or [], chain, report, run.sources, markers)
    wrong.expect(
        bool(re.fullmatch(r"([0-9]+:)?[0-9a-f]{16,}", report.get("fingerprint", ""))),
        f"fingerprint {report.get('fingerprint')!r}",
    )
    wrong.expect(report.get("pid", 0) > 0 or finding.tool == "UndefinedBehaviorSanitizer", "no pid")
    if finding.access:
        access = report.get("access", {})
        wrong.equal("access", (access.get("type"), access.get("size_bytes", 0)), finding.access)
        wrong.expect("abs_addr" in report, "no address")
    if finding.leaked:
        leaked = report.get("leaked", {})
        wrong.equal("leaked", (leaked.get("size_bytes"), leaked.get("objects_count")), finding.leaked)


def check_crossings(wrong: Complaints, role: str, stack: dict[str, Any]) -> None:
    """Where two user's frames of different languages meet, the crossing is marked between them."""
    frames = stack["frames"]
    users = [i for i, frame in enumerate(frames) if not frame.get("runtime")]
    for callee, caller in itertools.pairwise(users):
        if frames[callee].get("language") == frames[caller].get("language"):
            continue
        marks = [frame["boundary"] for frame in frames[callee:caller] if frame.get("boundary")]
        if caller == callee + 1:
            crossing = f"{frames[caller].get('language')}>{frames[callee].get('language')}"
            wrong.equal(f"{role} stack: crossing into {frames[callee].get('function')}", marks, [crossing])
        else:
            wrong.expect(bool(marks), f"{role} stack: no crossing marked into {frames[callee].get('function')}")


def check_end(wrong: Complaints, role: str, stack: dict[str, Any], reason: str) -> None:
    """The stack is whole, or says why it is not."""
    ends = stack.get("truncated", "")
    wrong.expect(bool(ends) == bool(reason) and reason in ends, f"{role} stack ends early: {ends!r}, wanted {reason!r}")
    if reason == GO_SIGNAL:  # the handler's frames are no callers
        marks = [frame["boundary"] for frame in stack["frames"] if frame.get("boundary")]
        wrong.equal(f"{role} stack: crossings without callers", marks, [])


def check_pointed(
    wrong: Complaints,
    what: str,
    pointers: list[dict[str, Any] | None],
    chain: list[Frame],
    report: dict[str, Any],
    sources: Sources,
    markers: Markers,
) -> None:
    """The leaf of a chain is what blame, or a related pointer, points at."""
    first = leaf(chain)
    if first is None:
        return  # nothing of the user's is to be seen
    wanted = markers.place(first.label)
    pointed = [sources.place(pointed_frame(report, pointer)) for pointer in pointers if pointer]
    wrong.expect(wanted in pointed, f"{what}: points at {pointed}, wanted {wanted}")
    wrong.expect(all(pointer and pointer.get("reason") for pointer in pointers), f"{what}: without a reason")


def pointed_frame(report: dict[str, Any], pointer: dict[str, Any]) -> dict[str, Any]:
    """The frame that a blame of the JSON points at."""
    frame: dict[str, Any] = report["stacks"][pointer["stack"]]["frames"][pointer["frame"]]
    return frame


def check_text(wrong: Complaints, report: dict[str, Any], text: str) -> None:
    """The text for people shows kind, why stacks end early, and the blamed file and line."""
    flowing = " ".join(text.split())
    for stack in report["stacks"]:
        ends = stack.get("truncated", "")
        wrong.expect(not ends or f"ends here: {ends}" in flowing, f"the text does not show {ends!r}")
        for frame in user_frames(stack):
            line = f"{pathlib.Path(frame.get('file', '?')).name}:{frame.get('line')}"
            wrong.expect(line in text, f"the text does not show the {stack['role']} frame {line}")
    if not report.get("blame"):
        return  # said already
    frame = pointed_frame(report, report["blame"])
    for wanted in (report["kind"], frame.get("function", "?"), f"{pathlib.Path(frame['file']).name}:{frame['line']}"):
        wrong.expect(wanted in text, f"the text does not show {wanted!r}")

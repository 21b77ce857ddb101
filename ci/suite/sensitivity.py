"""Is each change of a stack noticed? Damages a real report's stacks in every way that the
check of chains is there to find."""

import copy
from collections.abc import Iterator
from typing import Any

from chains import differences
from markers import Markers
from sanitizing import Run
from scenarios import Finding, Frame

Damage = tuple[str, dict[str, Any]]


def damages(stack: dict[str, Any], chain: list[Frame]) -> Iterator[Damage]:
    """The stack with one thing wrong, for each of the user's frames, and what it is."""
    users = [i for i, frame in enumerate(stack["frames"]) if not frame.get("runtime")]
    for position, i in enumerate(users):
        name = stack["frames"][i].get("function")

        def altered(**change: Any) -> dict[str, Any]:
            damaged = copy.deepcopy(stack)
            damaged["frames"][i] |= change  # noqa: B023, called at once
            return damaged

        missing = copy.deepcopy(stack)
        del missing["frames"][i]
        yield f"{name} is missing", missing
        doubled = copy.deepcopy(stack)
        doubled["frames"].insert(i, copy.deepcopy(stack["frames"][i]))
        yield f"{name} is there twice", doubled
        yield f"{name} passes for machinery", altered(runtime=True)
        yield f"{name} on the next line", altered(line=stack["frames"][i]["line"] + 1)
        yield f"{name} of another file", altered(file=f"/elsewhere{stack['frames'][i]['file']}")
        yield f"{name} in another language", altered(language="asm")
        yield f"{name} under another name", altered(function=f"{name}_")
        if chain[position].inlined:
            yield f"{name} is no inlined call", altered(inlined=False)
        if position:
            swapped = copy.deepcopy(stack)
            frames, before = swapped["frames"], users[position - 1]
            frames[before], frames[i] = frames[i], frames[before]
            yield f"{name} before its callee", swapped


def unnoticed(run: Run, finding: Finding, markers: Markers) -> tuple[int, list[str]]:
    """How much damage was done to a run's one report, and what of it went unnoticed."""
    done, missed = 0, []
    chains = finding.chains(run.companion)
    for stack in run.reports[0]["stacks"]:
        chain = chains[stack["role"]]
        if differences(stack, chain, run.sources, markers):
            missed.append(f"{stack['role']}: differs before any damage")
            continue
        for what, damaged in damages(stack, chain):
            done += 1
            if not differences(damaged, chain, run.sources, markers):
                missed.append(f"{stack['role']} stack: {what}, and nobody notices")
    return done, missed

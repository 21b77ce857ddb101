"""The scenarios of the suite: what is run, and what must be found."""

from . import controls, flow, leaks, memory, programs, signals, undefined
from .asked import Finding, Frame, Scenario

__all__ = ["SCENARIOS", "Finding", "Frame", "Scenario"]

SCENARIOS: tuple[Scenario, ...] = (
    *memory.SCENARIOS,
    *leaks.SCENARIOS,
    *undefined.SCENARIOS,
    *flow.SCENARIOS,
    *signals.SCENARIOS,
    *programs.SCENARIOS,
    *controls.SCENARIOS,
)

"""The scenarios of the suite: what is run, and what must be found."""

from . import controls, flow, leaks, memory, programs, signals, undefined
from .asked import LIBRARY, Finding, Frame, Scenario, leaf

__all__ = ["LIBRARY", "SCENARIOS", "Finding", "Frame", "Scenario", "leaf"]

SCENARIOS: tuple[Scenario, ...] = (
    *memory.SCENARIOS,
    *leaks.SCENARIOS,
    *undefined.SCENARIOS,
    *flow.SCENARIOS,
    *signals.SCENARIOS,
    *programs.SCENARIOS,
    *controls.SCENARIOS,
)

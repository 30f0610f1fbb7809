"""The resource limits of the process: process.rlimits, setrlimit(2)."""

from __future__ import annotations

from pyruntime.feature.step import Step
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Process

_UNLIMITED = (1 << 64) - 1  # RLIM_INFINITY


class LimitStep(Step):
    """Set the resource limit `name` (setrlimit(2))."""

    __slots__ = ("hard", "name", "number", "soft")

    def __init__(self, name: str, soft: int, hard: int) -> None:
        self.name, self.soft, self.hard = name, soft, hard
        self.number = words.RLIMITS[name]

    def describe(self) -> str:
        """Name limit and values."""
        soft, hard = _amount(self.soft), _amount(self.hard)
        return f"set {self.name} to {soft}" + ("" if soft == hard else f", at most {hard}")


def plan(process: Process) -> list[LimitStep]:
    """Return the limits of a checked process."""
    return [
        LimitStep(wish["type"], wish["soft"], wish["hard"])
        for wish in process.get("rlimits") or []
    ]


def _amount(value: int) -> str:
    return "unlimited" if value == _UNLIMITED else str(value)

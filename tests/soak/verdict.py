"""What a fault's long form says at its end."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

LEAST = 20
"""Faults that have to land while work is in flight; with fewer a run says nothing."""

Progress = Callable[[float, str], None]
"""How much of the run is over, from 0 to 1, and what goes on."""


def unseen(_: float, __: str) -> None:
    """Nobody watches."""


@dataclass
class Verdict:
    """`runs` things were tried, `landed` faults hit them in flight, `failures` says in words what broke."""

    fault: str
    seed: int
    runs: int = 0
    landed: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0
    figures: dict[str, Any] = field(default_factory=dict)
    needed: int = LEAST

    def broke(self, what: str, times: int = 1) -> None:
        """Note what should not have happened, if it happened."""
        if times:
            self.failures.append(what if times == 1 else f"{times} x {what}")

    @property
    def result(self) -> str:
        if self.failures:
            return "FAILED"
        return "held" if self.landed >= self.needed else "INVALID"

    @property
    def bound(self) -> str:
        """0 of N says with 95 % certainty: below 3/N."""
        return f"below {300 / self.runs:.2g} %" if self.result == "held" and self.runs else "-"

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "result": self.result, "bound": self.bound}

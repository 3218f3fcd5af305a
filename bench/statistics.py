"""From samples to one comparable line: medians, ratios, and whether a target is reached. All of it pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

SUBJECT = "corral"  # whom the ratios and targets are about
Samples = Mapping[str, Sequence[float]]  # engine -> its samples, in the row's unit


@dataclass(frozen=True)
class Target:
    """`kind` "most" and "least" bound the number itself; with `against` they bound the ratio to that engine's."""

    kind: str  # most | least
    bound: float
    against: str = ""

    def text(self, unit: str) -> str:
        """
        >>> Target("most", 0.2, "dockerd").text("ms"), Target("most", 60).text("MB")
        ('≤ 0.2 × dockerd', '≤ 60 MB')
        """
        sign = "≤" if self.kind == "most" else "≥"
        return f"{sign} {self.bound:g} × {self.against}" if self.against else f"{sign} {self.bound:g} {unit}"

    def reached(self, medians: Mapping[str, float]) -> bool | None:
        """None: it can't be told, for want of one of the numbers.

        >>> Target("least", 5, "dockerd").reached({"corral": 20.0, "dockerd": 3.5})
        True
        >>> Target("most", 60).reached({"corral": 61.0})
        False
        """
        found = medians.get(SUBJECT) if not self.against else ratio(medians, self.against)
        if found is None:
            return None
        return found <= self.bound if self.kind == "most" else found >= self.bound


@dataclass(frozen=True)
class Row:
    """One line of the result: what was measured, in which unit, and what each engine's samples were."""

    name: str
    unit: str
    samples: Samples
    targets: Sequence[Target] = field(default=())

    @property
    def medians(self) -> dict[str, float]:
        """
        >>> Row("run", "ms", {"corral": [50.0, 90.0, 52.0], "podman": []}).medians
        {'corral': 52.0}
        """
        return {engine: median(values) for engine, values in self.samples.items() if values}


def ratio(medians: Mapping[str, float], against: str) -> float | None:
    """Corral's number in units of `against`'s; None where one is missing or nothing was measured there.

    >>> ratio({"corral": 50.0, "dockerd": 250.0}, "dockerd")
    0.2
    """
    if SUBJECT not in medians or not medians.get(against):
        return None
    return medians[SUBJECT] / medians[against]


def collect(rounds: Sequence[tuple[str, Mapping[str, float]]]) -> dict[str, dict[str, list[float]]]:
    """Samples as they came, `(engine, {row: value})`, sorted into row -> engine -> values.

    >>> collect([("corral", {"run": 5.0}), ("podman", {"run": 9.0}), ("corral", {"run": 6.0})])
    {'run': {'corral': [5.0, 6.0], 'podman': [9.0]}}
    """
    found: dict[str, dict[str, list[float]]] = {}
    for engine, values in rounds:
        for row, value in values.items():
            found.setdefault(row, {}).setdefault(engine, []).append(value)
    return found

"""From samples to one comparable line: medians, ratios with their spread, and whether a target is reached. All pure.

Engines are measured in turns, A B, A B, …, so what else goes on at the machine meets both of a pair alike: their ratio
is compared, pair by pair, and how far the pairs differ says how much of a difference is noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from statistics import median
from typing import Final, NamedTuple

SUBJECT = "corral"  # whom the ratios and targets are about
REACHED, LEVEL, MISSED, UNKNOWN = "reached", "level with it, within the noise", "MISSED", "can't be told"
CERTAINTY: Final = 0.9  # of the true median's being in an interval, where there are samples enough
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

    def verdict(self, samples: Samples) -> str:
        """UNKNOWN: for want of one of the numbers. LEVEL: the median misses the bound, but no farther than noise goes.

        >>> Target("least", 5, "dockerd").verdict({"corral": [20.0], "dockerd": [3.5]})
        'reached'
        >>> near = {"corral": [99.0, 102.0, 98.0, 101.0, 99.0], "dockerd": [100.0] * 5}
        >>> Target("least", 1, "dockerd").verdict(near), Target("most", 60).verdict({"corral": [61.0]})
        ('level with it, within the noise', 'MISSED')
        """
        found = ratio(samples, self.against) if self.against else _middle(samples.get(SUBJECT, ()))
        if found is None:
            return UNKNOWN
        sign = 1 if self.kind == "most" else -1
        if sign * found.median <= sign * self.bound:
            return REACHED
        return LEVEL if self.against and found.low <= self.bound <= found.high else MISSED


class Spread(NamedTuple):
    """A median of samples, and between which two of them the true one probably lies."""

    median: float
    low: float
    high: float


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


def spread(values: Sequence[float]) -> Spread:
    """The median's interval by order statistics: it assumes nothing of how noise is distributed.

    As narrow as CERTAINTY lets it be; with few samples all of them.

    >>> spread([5.0, 1.0, 2.0, 9.0, 3.0]), spread([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 90.0])
    (Spread(median=3.0, low=1.0, high=9.0), Spread(median=5.0, low=2.0, high=8.0))
    """
    ordered, count = sorted(values), len(values)
    outside, left = 0.0, 0
    while True:
        outside += 2 * comb(count, left) / 2**count
        if outside > 1 - CERTAINTY:
            break
        left += 1
    left = max(left - 1, 0)
    return Spread(median(ordered), ordered[left], ordered[count - 1 - left])


def ratio(samples: Samples, against: str) -> Spread | None:
    """Corral's numbers in units of `against`'s, pair by pair; None where one is missing or nothing was measured there.

    >>> ratio({"corral": [50.0, 66.0, 40.0], "dockerd": [250.0, 300.0, 200.0]}, "dockerd")
    Spread(median=0.2, low=0.2, high=0.22)
    """
    pairs = zip(samples.get(SUBJECT, ()), samples.get(against, ()), strict=False)
    return _middle([one / other for one, other in pairs if other])


def _middle(values: Sequence[float]) -> Spread | None:
    return spread(values) if values else None


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

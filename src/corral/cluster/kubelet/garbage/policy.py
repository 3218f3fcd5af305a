"""When images go, in the words of the kubelet's configuration. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from corral.errors import InvalidInput

OFF: Final = 100  # percent: as a high threshold, never


@dataclass(frozen=True)
class GarbagePolicy:
    """`high`, `low`: percent of the disk that are in use when images go, and when it is enough again.

    `youngest`: seconds that an image is here before it may go; `oldest`: after so many without use it goes, 0: it does
    not. `period`: seconds between two looks.
    """

    high: int = OFF
    low: int = 0
    youngest: float = 120.0
    oldest: float = 0.0
    period: float = 300.0

    @property
    def on(self) -> bool:
        return self.high < OFF or self.oldest > 0


def check_policy(policy: GarbagePolicy) -> GarbagePolicy:
    """InvalidInput.

    >>> check_policy(GarbagePolicy(80, 90))
    Traceback (most recent call last):
    corral.errors.InvalidInput: image-gc-low-threshold 90: must be less than image-gc-high-threshold 80
    """
    for name, value in (("high", policy.high), ("low", policy.low)):
        if not 0 <= value <= 100:
            raise InvalidInput(f"image-gc-{name}-threshold {value}: must be between 0 and 100, inclusive")
    if policy.low >= policy.high:
        most = f"must be less than image-gc-high-threshold {policy.high}"
        raise InvalidInput(f"image-gc-low-threshold {policy.low}: {most}")
    if policy.youngest < 0 or policy.oldest < 0:
        raise InvalidInput("image-minimum-gc-age, image-maximum-gc-age: not less than nothing")
    if 0 < policy.oldest <= policy.youngest:
        raise InvalidInput("image-maximum-gc-age: must be greater than image-minimum-gc-age")
    return policy


def plan_room(policy: GarbagePolicy, available: int, capacity: int) -> int:
    """The bytes of images that are to go, 0 while there is room.

    >>> plan_room(GarbagePolicy(90, 85), available=8, capacity=100)
    7
    >>> plan_room(GarbagePolicy(90, 85), available=11, capacity=100)
    0
    """
    if policy.high >= OFF or capacity <= 0 or 100 - available * 100 // capacity < policy.high:
        return 0
    return max(capacity * (100 - policy.low) // 100 - available, 0)

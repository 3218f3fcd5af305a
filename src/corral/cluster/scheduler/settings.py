"""Settings: what may be told to the scheduler, as dataclasses and as upstream's configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from corral.errors import InvalidInput

DEFAULT_NAME: Final = "default-scheduler"
NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Strategy:
    """How NodeResourcesFit compares nodes. `weights` of the resources that count; `shape` for
    RequestedToCapacityRatio: (percent in use, score from 0 to 100), from the emptiest on."""

    kind: str = "LeastAllocated"
    weights: tuple[tuple[str, int], ...] = (("cpu", 1), ("memory", 1))
    shape: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """How pods that name this scheduler are placed. `weights`: of scores, where they are not the usual ones.

    `default_spread`: constraints of pods without any, as (topology key, max skew, hard); None: the usual.
    """

    name: str = DEFAULT_NAME
    no_filter: frozenset[str] = NOTHING
    no_score: frozenset[str] = NOTHING
    weights: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    percentage: int = 0
    preempts: bool = True
    hard_affinity_weight: int = 1
    default_spread: tuple[tuple[str, int, bool], ...] | None = None
    added_affinity: dict[str, Any] | None = None
    strategy: Strategy = field(default_factory=Strategy)


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds. `flush`: after so long a pod is tried again though nothing has happened."""

    profiles: tuple[Profile, ...] = field(default_factory=lambda: (Profile(),))
    first_backoff: float = 1.0
    longest_backoff: float = 10.0
    flush: float = 300.0
    bindings: int = 128  # at once
    volume_timeout: float = 600.0
    fewest_candidates: int = 100  # of nodes where preemption is tried
    candidates_percentage: int = 10

    def __post_init__(self) -> None:
        names = [one.name for one in self.profiles]
        if not names or len(set(names)) != len(names):
            raise InvalidInput(
                "scheduler profiles: there must be one at least, and each needs a schedulerName of its own"
            )

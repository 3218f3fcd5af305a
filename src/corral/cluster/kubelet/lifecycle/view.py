"""What the worker of a pod knows when it decides: what runs, and what it has itself under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from corral.cluster.kubelet.lifecycle.restarts import Backoff
from corral.cluster.kubelet.naming import Attempt


class Waiting(NamedTuple):
    """Why a container does not run."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class View:
    """`attempts`: by container, oldest first. `busy`: containers being started. `killing`: attempts being ended.

    `started`: attempts that count as started (their hook is done and their startup probe has passed). `unhealthy`:
    attempts that a probe wants ended, with the probe's name, or postStart for a hook that failed. `failed`: containers
    whose last start failed before anything ran, with when (nanoseconds) to try again. Times in nanoseconds.
    """

    now: int
    space: str = ""
    attempts: Mapping[str, list[Attempt]] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()
    killing: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    unhealthy: Mapping[str, str] = field(default_factory=dict)
    backoffs: Mapping[str, Backoff] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)

    def last(self, name: str) -> Attempt | None:
        found = self.attempts.get(name)
        return found[-1] if found else None

    def number(self, name: str) -> int:
        """Of the next attempt."""
        last = self.last(name)
        if last is None:
            return 0
        return last.number if last.state == "made" else last.number + 1


def find(view: View, id: str) -> Attempt:
    """Pure: the attempt of that id, which the view must have."""
    return next(attempt for some in view.attempts.values() for attempt in some if attempt.id == id)

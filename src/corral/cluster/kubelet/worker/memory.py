"""What a pod's worker remembers beside what the engine does: it may be lost, and is found again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from corral.cluster.kubelet.lifecycle.restarts import Backoff
from corral.cluster.kubelet.lifecycle.view import View, Waiting
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.probes.prober import Prober

Object = dict[str, Any]


@dataclass
class Memory:
    """See `View` and `Facts` for what most of these mean. `starting`, `ending`: tasks by container and by attempt."""

    space: str = ""
    runtime: str = ""
    started: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)
    unhealthy: dict[str, str] = field(default_factory=dict)
    backoffs: dict[str, Backoff] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    image_ids: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Object] = field(default_factory=dict)
    starting: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    ending: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    probers: dict[str, Prober] = field(default_factory=dict)
    ips: tuple[str, ...] = ()
    failure: Waiting | None = None
    disrupted: bool = False

    def view(self, attempts: dict[str, list[Attempt]]) -> View:
        return View(
            now=time.time_ns(),
            space=self.space,
            attempts=attempts,
            busy=frozenset(self.starting),
            killing=frozenset(self.ending),
            started=frozenset(self.started),
            unhealthy=dict(self.unhealthy),
            backoffs=dict(self.backoffs),
            failed=dict(self.failed),
        )

    def forget(self, attempt: str) -> None:
        """It has been removed."""
        for some in (self.unhealthy, self.messages, self.images, self.image_ids, self.resources):
            some.pop(attempt, None)
        self.started.discard(attempt)
        self.ready.discard(attempt)

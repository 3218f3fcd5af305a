"""The probes of one running container: a task for each, until the container has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from corral.cluster.kubelet.probes.answer import Answer
from corral.cluster.kubelet.probes.judging import Streak, first_verdict, judge, pause, timing
from corral.kit.tasks import Tasks

Object = dict[str, Any]

Ask = Callable[[Object, float], Awaitable[Answer]]
Verdict = Callable[[str, bool], None]  # (kind of probe, well or not)
Failed = Callable[[str, Answer], None]  # an answer that was not good

NAMES: Final = {"startup": "startupProbe", "liveness": "livenessProbe", "readiness": "readinessProbe"}


class Prober:
    """`verdict` is called when one changes. Liveness and readiness are asked for once the container has started."""

    def __init__(self, container: Object, started_at: float, ask: Ask, verdict: Verdict, failed: Failed) -> None:
        self._container, self._started_at = container, started_at
        self._ask, self._verdict, self._failed = ask, verdict, failed
        self._ready = False
        self._tasks = Tasks()

    def begin(self, *, has_started: bool, ready: bool = False) -> None:
        """`has_started`, `ready`: what is known from before."""
        self._ready = ready
        startup = self._container.get(NAMES["startup"])
        if startup and not has_started:
            self._tasks.start("startup probe", self._run("startup", startup))
        else:
            self._go_on()

    def _go_on(self) -> None:
        for kind in ("liveness", "readiness"):
            probe = self._container.get(NAMES[kind])
            if probe:
                self._tasks.start(f"{kind} probe", self._run(kind, probe))

    async def _run(self, kind: str, probe: Object) -> None:
        wanted, first = timing(probe), True
        streak = Streak(self._ready if kind == "readiness" else first_verdict(kind))
        while True:
            await asyncio.sleep(pause(wanted, time.time() - self._started_at, first))
            first = False
            answer = await self._ask(probe, wanted.timeout)
            if not answer.good:
                self._failed(kind, answer)
            before, streak = streak.verdict, judge(streak, answer.good, wanted)
            if streak.verdict is None or streak.verdict == before:
                continue
            self._verdict(kind, streak.verdict)
            if kind == "startup" and streak.verdict:
                self._go_on()
                return
            if kind != "readiness" and not streak.verdict:
                return  # it is ended for that

    async def close(self) -> None:
        await self._tasks.close()

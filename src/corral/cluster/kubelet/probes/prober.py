"""The probes of one running container: a task for each, until the container has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from corral.cluster.kubelet.probes.answer import Answer
from corral.cluster.kubelet.probes.judging import Streak, first_pause, first_verdict, judge, looks, timing
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
        wanted, age = timing(probe), time.time() - self._started_at
        streak = Streak(self._ready if kind == "readiness" else first_verdict(kind))
        soon = looks(kind, wanted, streak, age)
        pause, counts = first_pause(wanted, age), True
        while True:
            await asyncio.sleep(pause)
            answer = await self._ask(probe, wanted.timeout)
            if not answer.good and counts:
                self._failed(kind, answer)
            if answer.good or counts:
                before, streak = streak.verdict, judge(streak, answer.good, wanted)
                if streak.verdict is not None and streak.verdict != before and self._is_over(kind, streak.verdict):
                    return
            if answer.good:
                soon = iter(())
            pause, counts = next(soon, (wanted.period, True))

    def _is_over(self, kind: str, well: bool) -> bool:
        """Tells the verdict; whether it is the last of its kind."""
        self._verdict(kind, well)
        if kind == "startup" and well:
            self._go_on()
            return True
        return kind != "readiness" and not well  # it is ended for that

    async def close(self) -> None:
        await self._tasks.close()

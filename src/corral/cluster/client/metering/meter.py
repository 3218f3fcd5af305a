"""The kubelet's meter: samples are taken when somebody asks, so a platform that nobody looks at does nothing for it.

Who asks every few seconds (an autoscaler, a person) is answered at once, by the samples of earlier questions; who asks
for the first time in a minute waits for a second sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from corral.cluster.client.metering.rates import LEAST, SECOND, Sample, plan_base, plan_kept, plan_report
from corral.cluster.client.usage import Report
from corral.kit.clock import Clock

FRESH: Final = SECOND  # nanoseconds for which an answer is good for others, too

Take = Callable[[], Awaitable[Sample]]
Pause = Callable[[float], Awaitable[None]]


class PodMeter:
    """A `Meter` (corral.cluster.client.usage). `take` gives a sample of now by `clock`; HostError."""

    def __init__(self, node: str, clock: Clock, take: Take, pause: Pause = asyncio.sleep) -> None:
        self._node, self._clock, self._take, self._pause = node, clock, take, pause
        self._samples: list[Sample] = []
        self._last: tuple[int, Report] | None = None
        self._turn = asyncio.Lock()

    async def measure(self) -> Report:
        """HostError."""
        async with self._turn:
            if self._last is not None and 0 <= self._clock.now() - self._last[0] < FRESH:
                return self._last[1]
            now = await self._sample()
            while (base := plan_base(self._samples, now.at)) is None:
                await self._pause((LEAST - (now.at - self._samples[0].at)) / SECOND)
                now = await self._sample()
            report = plan_report(self._node, base, now)
            self._last = now.at, report
            return report

    async def _sample(self) -> Sample:
        now = await self._take()
        self._samples = [*plan_kept(self._samples, now.at), now]
        return now

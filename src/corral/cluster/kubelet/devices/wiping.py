"""What drivers that have gone still offer on this node is taken back, so that no pod is sent here for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.builtin import RESOURCE_SLICES
from corral.cluster.client.protocol import Client
from corral.kit.backoff import exponential
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

DELAY: Final = 30.0  # seconds that a driver has to come back, as after an update
FIRST_RETRY, LONGEST_RETRY = 1000, 300_000  # milliseconds


class Wiping(NamedTuple):
    """`slices` go now; `again`: seconds until there is more to do, None: not before a driver goes."""

    slices: list[Object]
    again: float | None


def plan_wiping(slices: Iterable[Object], here: Callable[[str], bool], gone: Mapping[str, float], now: float) -> Wiping:
    """Pure: `gone`: since when each driver has not been here.

    >>> one = {"metadata": {"name": "a"}, "spec": {"driver": "d"}}
    >>> plan_wiping([one], lambda driver: True, {}, 100.0).slices, plan_wiping([one], bool, {"d": 0.0}, 100.0).again
    ([], None)
    >>> plan_wiping([one], lambda driver: False, {"d": 90.0}, 100.0)
    Wiping(slices=[], again=20.0)
    """
    found, pauses = [], []
    for one in slices:
        driver = one["spec"]["driver"]
        if here(driver):
            continue
        left = gone.get(driver, now) + DELAY - now
        if left <= 0:
            found.append(one)
        else:
            pauses.append(left)
    return Wiping(found, min(pauses, default=None))


class Wiper:
    """`here(driver)`: whether its plugin is registered. `changed` is to be called when one comes or goes."""

    def __init__(
        self, client: Client, node: str, here: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._node, self._here, self._clock = client, node, here, clock
        self._gone: dict[str, float] = {}
        self._woken = asyncio.Event()

    def changed(self, driver: str) -> None:
        if self._here(driver):
            self._gone.pop(driver, None)
        else:
            self._gone.setdefault(driver, self._clock())
            self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled. At a start no driver is here yet."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                again = await self.look()
                failures = 0
            except (StatusError, OSError) as error:
                log.warning("resourceslices of node %s: %s", self._node, error)
                again = exponential(failures, FIRST_RETRY, LONGEST_RETRY) / 1000
                failures += 1
            try:
                async with asyncio.timeout(again):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def look(self) -> float | None:
        """Once: seconds until it is to be done again. StatusError, OSError."""
        slices = (await self._client.list(RESOURCE_SLICES, field_selector=f"spec.nodeName={self._node}")).items
        for driver in {one["spec"]["driver"] for one in slices}:
            if not self._here(driver):
                self._gone.setdefault(driver, self._clock())
        plan = plan_wiping(slices, self._here, self._gone, self._clock())
        for one in plan.slices:
            log.info("resourceslice %s: its driver %s is not here", meta.name(one), one["spec"]["driver"])
            try:
                await self._client.delete(RESOURCE_SLICES, meta.name(one))
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
        return plan.again

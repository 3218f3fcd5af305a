"""Leader election: of several processes that could do the same work, one does. The others wait for it to go.

Follows client-go's tools/leaderelection: whoever holds a Lease leads, as long as it renews it. When a Lease was last
renewed is told by the own clock, from when the change was seen: clocks of others may be wrong.

    elector = Elector(client, "kube-controller-manager", identity)
    await elector.run(work)       # leads, works; raises LostLease when somebody else may lead
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client, Collection, Object
from corral.cluster.client.times import Now, to_micro, utc_now
from corral.errors import CorralError
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.cluster")

LEASES: Final = Collection("coordination.k8s.io", "v1", "leases")


class LostLease(CorralError):
    """The Lease could not be renewed in time: somebody else may lead now, so the work was cancelled."""


class Terms(NamedTuple):
    """Seconds. A Lease that nobody renewed for `lease` is anybody's; its holder stops working after `deadline`."""

    lease: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0


DEFAULT_TERMS: Final = Terms()


class Claim(NamedTuple):
    """`spec`: what to write, None when somebody else leads; then look again after `wait` seconds, or a change."""

    spec: dict[str, Any] | None
    wait: float


def plan_claim(lease: Object | None, identity: str, seen_for: float, moment: str, terms: Terms) -> Claim:
    """Pure: whether to take or keep a Lease. `seen_for`: seconds since it was last seen to change.

    >>> held = {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "acquireTime": "then", "leaseTransitions": 1}}
    >>> plan_claim(held, "b", 5.0, "now", Terms())
    Claim(spec=None, wait=10.0)
    >>> taken = plan_claim(held, "b", 15.0, "now", Terms()).spec
    >>> taken["holderIdentity"], taken["acquireTime"], taken["leaseTransitions"]
    ('b', 'now', 2)
    >>> plan_claim(held, "a", 5.0, "now", Terms()).spec["acquireTime"]
    'then'
    """  # noqa: E501
    spec = {} if lease is None else lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    left = float(spec.get("leaseDurationSeconds") or terms.lease) - seen_for
    if holder not in ("", identity) and left > 0:
        return Claim(None, left)
    mine = holder == identity
    changes = int(spec.get("leaseTransitions") or 0)
    new = {
        "holderIdentity": identity,
        "leaseDurationSeconds": max(1, round(terms.lease)),
        "acquireTime": spec.get("acquireTime", moment) if mine else moment,
        "renewTime": moment,
        "leaseTransitions": changes if mine or lease is None else changes + 1,
    }
    return Claim(new, terms.retry)


class Elector:
    """`identity`: nobody else's who may be at work. Whoever is told to hold the Lease already leads at once: it is for
    one that was killed and has come back."""

    def __init__(
        self,
        client: Client,
        name: str,
        identity: str,
        *,
        namespace: str = "kube-system",
        terms: Terms = DEFAULT_TERMS,
        now: Now = utc_now,
    ) -> None:
        self._client, self._name, self._identity = client, name, identity
        self._namespace, self._terms, self._now = namespace, terms, now
        self._informer = Informer(client, LEASES, namespace, field_selector=f"metadata.name={name}")
        self._changed, self._seen_at = asyncio.Event(), 0.0
        self._informer.on_change(self._on_change)

    def _on_change(self, old: Object | None, new: Object | None) -> None:
        self._seen_at = asyncio.get_running_loop().time()
        self._changed.set()

    @property
    def leader(self) -> str:
        """Who leads now, as far as this process has seen; "" for nobody."""
        lease = self._informer.get(f"{self._namespace}/{self._name}")
        return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Waits to lead, then works until the work ends; gives the Lease up then, and when it is cancelled.

        LostLease, and whatever the work raises.
        """
        watching = asyncio.create_task(self._informer.run(), name=f"lease-{self._name}")
        try:
            await self._informer.synced.wait()
            await self._lead(work, await self._acquire())
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _acquire(self) -> float:
        """When the claim began that made this one the leader, by the loop's clock."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            begun = loop.time()
            wait = await self._try()
            if wait is None and loop.time() < begun + self._terms.deadline:
                log.info("leading: %s is %s", self._name, self._identity)
                return begun
            with suppress(TimeoutError):
                async with asyncio.timeout(wait or 0):
                    await self._changed.wait()

    async def _try(self) -> float | None:
        """One attempt to take or to renew; None when that was done, else how long to wait."""
        lease = self._informer.get(f"{self._namespace}/{self._name}")
        seen_for = asyncio.get_running_loop().time() - self._seen_at
        claim = plan_claim(lease, self._identity, seen_for, to_micro(self._now()), self._terms)
        if claim.spec is None:
            return claim.wait
        try:
            await self._informer.seen(await self._write(lease, claim.spec))
        except (StatusError, OSError) as error:
            if not isinstance(error, StatusError) or error.reason not in ("Conflict", "AlreadyExists"):
                log.warning("lease %s: %s", self._name, error)
            return self._terms.retry
        return None

    async def _write(self, lease: Object | None, spec: dict[str, Any]) -> Object:
        if lease is None:
            made = {"metadata": {"name": self._name, "namespace": self._namespace}, "spec": spec}
            return await self._client.create(LEASES, made)
        return await self._client.update(LEASES, {**lease, "spec": spec})

    async def _lead(self, work: Callable[[], Awaitable[None]], since: float) -> None:
        """`since`: when the claim began, by the loop's clock."""

        async def worked() -> None:
            await work()

        working = asyncio.create_task(worked(), name=f"leading-{self._name}")
        renewing = asyncio.create_task(self._renew(since), name=f"renewing-{self._name}")
        try:
            await asyncio.wait([working, renewing], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise LostLease(f"lease {self._namespace}/{self._name} is lost")
            await working
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            await self._release()

    async def _renew(self, renewed: float) -> None:
        """Returns when it could not be renewed for too long. `renewed`: when the last claim that came true began; the
        others count from its commit, which is later."""
        loop = asyncio.get_running_loop()
        while True:
            until = renewed + self._terms.deadline
            await asyncio.sleep(min(self._terms.retry, until - loop.time()))
            begun = loop.time()
            if begun >= until:
                # Also one that wakes late (it was stopped, or its loop held up). A timeout that has passed already ends
                # a claim only where it waits, so a claim might yet be written, in the name of one that stops working.
                return
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    if await self._try() is None:
                        renewed = begun

    async def _release(self) -> None:
        """So that the next need not wait. Whoever is not the holder any more changes nothing."""
        try:
            async with asyncio.timeout(self._terms.retry):
                while not await self._give_up():
                    pass
        except (StatusError, OSError, TimeoutError) as error:
            log.info("lease %s not given up: %s", self._name, error)

    async def _give_up(self) -> bool:
        """False: the Lease changed meanwhile. It is read anew: the own copy may not know of the last claim yet."""
        lease = await self._client.get(LEASES, self._name, self._namespace)
        if (lease.get("spec") or {}).get("holderIdentity") != self._identity:
            return True
        moment = to_micro(self._now())
        spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": moment}
        try:
            await self._client.update(LEASES, {**lease, "spec": spec})
        except StatusError as error:
            if error.reason != "Conflict":
                raise
            return False
        return True

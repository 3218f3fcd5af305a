"""Members: of several processes that all serve the same, which are at work, and where. Each keeps a Lease of its own.

Follows the lease reconciler of upstream's API servers (k8s.io/kubernetes/pkg/controlplane/reconcilers): a Lease that
nobody has renewed for its time is taken away by whoever sees that first, by the own clock.

    members = Members(client, "kubernetes", "box", Place("10.244.0.1", 6443))
    members.on_change(look)
    await members.run()       # until it is cancelled: then this one is at work no more
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer
from corral.cluster.client.leader import LEASES
from corral.cluster.client.protocol import Client, Object
from corral.cluster.client.times import Now, to_micro, utc_now
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.cluster")

NAMESPACE: Final = "kube-system"
LABEL: Final = "corral.dev/serves"
LEASE: Final = 15.0  # seconds without a sign of life until a member counts as gone
BEATS: Final = 3  # signs of life in that time


class Place(NamedTuple):
    address: str
    port: int


def plan_groups(places: Iterable[Place]) -> list[tuple[int, list[str]]]:
    """Pure: (port, addresses): what fits into one EndpointSlice each, of one family. The same for whoever decides it.

    >>> plan_groups([Place("10.0.0.2", 6443), Place("10.0.0.3", 7443), Place("10.0.0.1", 6443)])
    [(6443, ['10.0.0.1', '10.0.0.2']), (7443, ['10.0.0.3'])]
    >>> plan_groups([Place("fd00::1", 6443), Place("10.0.0.2", 6443)])
    [(6443, ['10.0.0.2']), (6443, ['fd00::1'])]
    """
    found: dict[tuple[bool, int], list[str]] = {}
    for place in sorted(set(places)):
        found.setdefault((":" in place.address, place.port), []).append(place.address)
    return [(port, addresses) for (_, port), addresses in found.items()]


def read_place(lease: Object) -> Place | None:
    """Pure: where its holder serves; None where it does not say.

    >>> read_place({"spec": {"holderIdentity": "10.0.0.1 6443"}}), read_place({"spec": {}})
    (Place(address='10.0.0.1', port=6443), None)
    """
    address, _, port = str((lease.get("spec") or {}).get("holderIdentity") or "").partition(" ")
    return Place(address, int(port)) if address and port.isdecimal() else None


def plan_slice_name(name: str, number: int, port: int, address_type: str) -> str:
    """Pure: of the EndpointSlice of a group, by its number among the groups: the first has the bare name.

    >>> [plan_slice_name("dns", *each) for each in ((0, 53, "IPv6"), (1, 53, "IPv4"), (2, 53, "IPv6"))]
    ['dns', 'dns-53', 'dns-53-ipv6']
    """
    return "-".join([name, *([str(port)] if number else []), *(["ipv6"] if number and address_type == "IPv6" else [])])


def address_type(addresses: Sequence[str]) -> str:
    """Pure: of the EndpointSlice of a group.

    >>> address_type(["fd00::1"])
    'IPv6'
    """
    return "IPv6" if ":" in addresses[0] else "IPv4"


class Members:
    """`service`: what they serve; `name`: this one's, nobody else's."""

    def __init__(
        self, client: Client, service: str, name: str, own: Place, *, seconds: float = LEASE, now: Now = utc_now
    ) -> None:
        self._client, self._service, self._name, self._own = client, service, f"{service}-{name}", own
        self._seconds, self._now = seconds, now
        self._informer = Informer(client, LEASES, NAMESPACE, label_selector=f"{LABEL}={service}")
        self.joined = asyncio.Event()  # the others are known, and this one to them
        self._seen: dict[str, float] = {}
        self._handlers: list[Callable[[], None]] = []
        self._informer.on_change(self._changed)

    def places(self) -> list[Place]:
        """Of all that are at work; this one is, always."""
        others = (read_place(one) for one in self._informer.all() if meta.name(one) != self._name)
        return sorted({self._own, *(place for place in others if place is not None)})

    def on_change(self, changed: Callable[[], None]) -> None:
        self._handlers.append(changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        name = meta.name(new or old or {})
        self._seen[name] = asyncio.get_running_loop().time()
        if new is None:
            del self._seen[name]
        if (old and read_place(old)) != (new and read_place(new)):
            for handler in self._handlers:
                handler()

    async def run(self) -> None:
        watching = asyncio.create_task(self._informer.run(), name=f"members-{self._service}")
        try:
            await self._informer.synced.wait()
            while True:
                await self._look()
                self.joined.set()
                await asyncio.sleep(self._seconds / BEATS)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._leave()

    async def _look(self) -> None:
        """Says that this one is at work, and takes away who is not any more."""
        late = asyncio.get_running_loop().time() - self._seconds
        others = [lease for lease in self._informer.all() if meta.name(lease) != self._name]
        for lease in [one for one in others if self._seen[meta.name(one)] < late]:
            await self._try(self._delete(lease))
        await self._try(self._renew())

    async def _try(self, work: Any) -> None:
        try:
            async with asyncio.timeout(self._seconds / BEATS):
                await work
        except (StatusError, OSError, TimeoutError) as error:
            if not isinstance(error, StatusError) or error.reason not in ("Conflict", "NotFound", "AlreadyExists"):
                log.warning("lease %s: %s", self._name, error)

    async def _renew(self) -> None:
        known = self._informer.get(f"{NAMESPACE}/{self._name}")
        spec = {
            "holderIdentity": f"{self._own.address} {self._own.port}",
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "renewTime": to_micro(self._now()),
        }
        if known is None:
            metadata = {"name": self._name, "namespace": NAMESPACE, "labels": {LABEL: self._service}}
            await self._informer.seen(await self._client.create(LEASES, {"metadata": metadata, "spec": spec}))
        else:
            await self._informer.seen(await self._client.update(LEASES, {**known, "spec": spec}))

    async def _delete(self, lease: Object) -> None:
        only = {"resourceVersion": lease["metadata"]["resourceVersion"]}
        await self._client.delete(LEASES, meta.name(lease), NAMESPACE, options={"preconditions": only})

    async def _leave(self) -> None:
        """So that the others need not wait."""
        with suppress(StatusError, OSError, TimeoutError):
            async with asyncio.timeout(self._seconds / BEATS):
                await self._client.delete(LEASES, self._name, NAMESPACE)

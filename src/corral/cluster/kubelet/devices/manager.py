"""Makes the devices of pods' claims ready before their containers start, and gives them back when nothing runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import RESOURCE_CLAIMS
from corral.cluster.client.protocol import Client
from corral.cluster.kubelet.devices.calls import call
from corral.cluster.kubelet.devices.cdi import plan_edits, read_descriptions, with_edits
from corral.cluster.kubelet.devices.messages import ClaimName, Outcome, plan_claims, read_outcomes
from corral.cluster.kubelet.devices.prepared import Prepared, PreparedClaims
from corral.cluster.kubelet.devices.registry import Plugin, Registry
from corral.cluster.kubelet.grpc_wire import CallFailed
from corral.errors import CorralError
from corral.model.container import ContainerSpec
from corral.model.kubernetes.protobuf.wire import WireError
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

SECONDS: Final = 45.0  # for a driver to make claims ready
PREPARE, UNPREPARE = "NodePrepareResources", "NodeUnprepareResources"


class NotPrepared(CorralError):
    """The pod's devices are not ready; it is tried again. The message is upstream's."""


class Devices:
    """`registry` knows the drivers' plugins; `known` what they have made ready. `cdi`: folders of descriptions."""

    def __init__(self, client: Client, registry: Registry, known: PreparedClaims, cdi: Sequence[str] = ()) -> None:
        self._client, self._registry, self.known, self._cdi = client, registry, known, cdi
        self._turn = asyncio.Lock()  # claims that pods share are made ready once

    # ------------------------------------------------------------------------------------------- making ready

    async def prepare(self, pod: Object) -> None:
        """NotPrepared names what is missing."""
        if not wants_devices(pod):
            return
        async with self._turn:
            try:
                await self._prepare(pod)
            except (CorralError, StatusError) as error:
                text = error.message if isinstance(error, CorralError) else str(error)
                raise NotPrepared(f"prepare dynamic resources: {text}") from error

    async def _prepare(self, pod: Object) -> None:
        """First everything is checked: a driver that was never there has nothing to take back."""
        claims = [await self._claim(pod, *one) for one in claims_of(pod)]
        plugins = {driver: self._plugin(driver) for claim in claims for driver in drivers_of(claim)}
        todo: dict[str, list[Prepared]] = {}
        for claim in claims:
            one = self._remember(pod, claim)
            for driver in () if one.done else one.devices:
                todo.setdefault(driver, []).append(one)
        await asyncio.to_thread(self.known.save)
        for driver, some in todo.items():
            outcomes = await self._ask(plugins[driver], PREPARE, some)
            for one in some:
                one.devices[driver] = list(outcomes[one.uid].devices)
        for one in [one for some in todo.values() for one in some]:
            one.done = True
        await asyncio.to_thread(self.known.save)

    async def _claim(self, pod: Object, name: str, owned: bool) -> Object:
        """The claim as the API has it, checked. NotPrepared, StatusError."""
        try:
            claim = await self._client.get(RESOURCE_CLAIMS, name, meta.namespace(pod))
        except StatusError as error:
            raise NotPrepared(f"fetch ResourceClaim {name}: {error}") from error
        owner = meta.controller_of(claim)
        if owned and (owner is None or owner.get("uid") != meta.uid(pod)):
            text = f"ResourceClaim {meta.key(claim)} was not created for Pod {meta.key(pod)} (Pod is not owner)"
            raise NotPrepared(text)
        users = (claim.get("status") or {}).get("reservedFor") or ()
        if not any(one.get("uid") == meta.uid(pod) for one in users):
            who, what = f"pod {meta.name(pod)} ({meta.uid(pod)})", f"ResourceClaim {name} ({meta.uid(claim)})"
            raise NotPrepared(f"{who} is not allowed to use {what}")
        return claim

    def _plugin(self, driver: str) -> Plugin:
        found = self._registry.plugin(driver)
        if found is None:
            raise NotPrepared(f"DRA driver {driver} is not registered")
        return found

    def _remember(self, pod: Object, claim: Object) -> Prepared:
        about = ClaimName(meta.namespace(claim), meta.uid(claim), meta.name(claim))
        old = self.known.named(about.namespace, about.name)
        if old is not None and old.uid != about.uid:
            text = f"old ResourceClaim with same name {about.name} and different UID {old.uid} still exists"
            raise NotPrepared(f"{text} (previous pod force-deleted?!)")
        return self.known.add(about, meta.uid(pod), drivers_of(claim))

    # --------------------------------------------------------------------------------------------- giving back

    async def unprepare(self, uid: str) -> None:
        """Nothing of the pod runs any more: what nobody else uses is given back. NotPrepared: it is tried again."""
        mine = self.known.of_pod(uid)
        if not mine:
            return
        async with self._turn:
            try:
                await self._unprepare(uid, mine)
            except CorralError as error:
                raise NotPrepared(f"unprepare dynamic resources: {error.message}") from error

    async def _unprepare(self, uid: str, mine: list[Prepared]) -> None:
        last = [one for one in mine if one.pods == [uid]]
        todo: dict[str, list[Prepared]] = {}
        for one in last:
            for driver in one.devices:
                todo.setdefault(driver, []).append(one)
        for driver, some in todo.items():
            await self._ask(self._plugin(driver), UNPREPARE, some)
        for one in mine:
            one.pods.remove(uid)
            if not one.pods:
                self.known.drop(one)
        await asyncio.to_thread(self.known.save)

    async def _ask(self, plugin: Plugin, method: str, some: list[Prepared]) -> dict[str, Outcome]:
        """What came of it, by the claims' uids. NotPrepared."""
        message = plan_claims(one.claim for one in some)
        try:
            answer = await call(plugin.endpoint, f"/{plugin.service}/{method}", message, SECONDS)
            outcomes = read_outcomes(answer, prepared=method == PREPARE)
        except (CallFailed, WireError) as error:
            raise NotPrepared(f"{method}: {error}") from error
        return check_outcomes(method, some, dict(outcomes))

    # ------------------------------------------------------------------------------------------ for containers

    async def inject(self, pod: Object, container: Object, spec: ContainerSpec) -> ContainerSpec:
        """The container with the devices that it names. CannotStart."""
        names = [name for one in self._meant(pod, container) for name in one]
        if not names:
            return spec
        known = await asyncio.to_thread(read_descriptions, self._cdi)
        return with_edits(spec, plan_edits(names, known))

    def _meant(self, pod: Object, container: Object) -> Iterator[list[str]]:
        by_word = {word: name for word, name, _ in named_claims(pod)}
        for one in (container.get("resources") or {}).get("claims") or ():
            known = self.known.named(meta.namespace(pod), by_word.get(one["name"], ""))
            if known is not None:
                yield known.names(one.get("request") or "")
        extended = extended_of(pod)
        made = self.known.named(meta.namespace(pod), extended.get("resourceClaimName", ""))
        for one in extended.get("requestMappings") or ():
            if made is not None and one["containerName"] == container["name"]:
                yield made.names(one["requestName"])


def check_outcomes(method: str, some: list[Prepared], outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
    """Pure: the answer has each claim, and only those, and none has failed. NotPrepared.

    >>> check_outcomes("NodePrepareResources", [Prepared("a", "u", "c")], {"u": Outcome("busy")})
    Traceback (most recent call last):
    corral.cluster.kubelet.devices.manager.NotPrepared: NodePrepareResources failed for ResourceClaim c: busy
    """
    asked = {one.uid: one for one in some}
    for uid, outcome in outcomes.items():
        if uid not in asked:
            raise NotPrepared(f"{method} returned result for unknown claim UID {uid}")
        if outcome.error:
            raise NotPrepared(f"{method} failed for ResourceClaim {asked[uid].name}: {outcome.error}")
    if skipped := len(asked.keys() - outcomes.keys()):
        raise NotPrepared(f"{method} skipped {skipped} ResourceClaims")
    return outcomes


def named_claims(pod: Object) -> Iterator[tuple[str, str, bool]]:
    """Pure: (the pod's word, the claim's name, whether it was made for the pod). NotPrepared for one not made yet."""
    made = {one["name"]: one for one in (pod.get("status") or {}).get("resourceClaimStatuses") or ()}
    for one in pod["spec"].get("resourceClaims") or ():
        if one.get("resourceClaimName"):
            yield one["name"], one["resourceClaimName"], False
        elif one["name"] not in made:
            raise NotPrepared(f'pod "{meta.key(pod)}": ResourceClaim not created yet')
        elif made[one["name"]].get("resourceClaimName"):
            yield one["name"], made[one["name"]]["resourceClaimName"], True


def extended_of(pod: Object) -> Object:
    """Pure: what its status says of the claim that the scheduler has made for it; {} if it has none."""
    return (pod.get("status") or {}).get("extendedResourceClaimStatus") or {}


def wants_devices(pod: Object) -> bool:
    return bool(pod["spec"].get("resourceClaims") or extended_of(pod))


def claims_of(pod: Object) -> list[tuple[str, bool]]:
    """Pure: (name, whether it was made for the pod). NotPrepared for one not made yet.

    >>> claims_of({"spec": {}, "status": {"extendedResourceClaimStatus": {"resourceClaimName": "web-x"}}})
    [('web-x', True)]
    """
    found = [(name, owned) for _, name, owned in named_claims(pod)]
    extended = extended_of(pod)
    return [*found, (extended["resourceClaimName"], True)] if extended else found


def drivers_of(claim: Object) -> list[str]:
    """Pure: in the order of the allocation.

    >>> results = [{"driver": "a"}, {"driver": "b"}, {"driver": "a"}]
    >>> drivers_of({"status": {"allocation": {"devices": {"results": results}}}})
    ['a', 'b']
    """
    allocation = (claim.get("status") or {}).get("allocation") or {}
    return list(dict.fromkeys(one["driver"] for one in (allocation.get("devices") or {}).get("results") or ()))

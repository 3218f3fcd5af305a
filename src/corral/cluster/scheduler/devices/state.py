"""Devices as the API tells of them, and what this scheduler has given away and not written yet."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.scheduler.devices.allocating import Choice, Ground, allocate
from corral.cluster.scheduler.devices.extended import (
    LEFT,
    classes_by_resource,
    find_made,
    left_to_devices,
    plan_claim,
    resources_of,
)
from corral.cluster.scheduler.devices.pod_claims import Waits, find_claims, is_allocated
from corral.cluster.scheduler.devices.pools import Device, DeviceId, Offer, read_pools
from corral.cluster.scheduler.devices.results import devices_of, plan_allocation
from corral.cluster.scheduler.devices.selecting import Key, plan_questions
from corral.cluster.scheduler.devices.wishes import CannotAllocate, Step, read_steps
from corral.model.kubernetes.requests import pod_requests

Object = dict[str, Any]

ELSEWHERE: Final = "resourceclaim not available on the node"


@dataclass(frozen=True)
class ClaimPlan:
    """What must be written before the pod goes to its node. `allocations`: by the uid of claims that have none yet.

    `extended`: a claim that is to be made for the pod; `made`: once that is done, for whoever takes it back.
    """

    claims: list[Object]
    allocations: dict[str, Object]
    extended: Object | None = None
    made: list[Object] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """What one pod asks for. `open`: its claims that have no devices yet, with their `steps`.

    `resources`: what it asks for without a claim; on nodes that have none of it the last of `open` is for that.
    `left`: a claim that was made for these once, and must go first.
    """

    claims: list[Object]
    open: list[Object]
    steps: list[Step]
    resources: frozenset[str] = frozenset()
    extended: Object | None = None
    left: Object | None = None


class Devices:
    """Plain copies by key. `pending`: what claims are getting, by uid, until the copy of them says so.

    `judged`: what expressions say of the looks of devices; it is told from outside.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Object] = {}
        self.slices: dict[str, Object] = {}
        self.rules: dict[str, Object] = {}
        self.classes: dict[str, Object] = {}
        self.pending: dict[str, set[DeviceId]] = {}
        self.judged: dict[Key, bool | str] = {}
        self._offer: Offer | None = None
        self._answering: dict[str, str] | None = None

    # ------------------------------------------------------------------------------------------ what is heard

    def put_claim(self, old: Object | None, new: Object | None) -> None:
        self._put(self.claims, old, new)

    def put_slice(self, old: Object | None, new: Object | None) -> None:
        self._put(self.slices, old, new)
        self._offer = None

    def put_rule(self, old: Object | None, new: Object | None) -> None:
        """A DeviceTaintRule."""
        self._put(self.rules, old, new)
        self._offer = None

    def put_class(self, old: Object | None, new: Object | None) -> None:
        self._put(self.classes, old, new)
        self._answering = None

    @staticmethod
    def _put(into: dict[str, Object], old: Object | None, new: Object | None) -> None:
        if new is not None:
            into[meta.key(new)] = new
        elif old is not None:
            into.pop(meta.key(old), None)

    @property
    def offer(self) -> Offer:
        if self._offer is None:
            self._offer = Offer(read_pools(self.slices.values(), self.rules.values()))
            looks = {one.look for pool in self._offer.pools for one in pool.devices}
            self.judged = {key: found for key, found in self.judged.items() if key[1] in looks}
        return self._offer

    @property
    def answering(self) -> dict[str, str]:
        """The class that answers to a resource of this name."""
        if self._answering is None:
            self._answering = classes_by_resource(self.classes.values())
        return self._answering

    # ------------------------------------------------------------------------------------------------ deciding

    def are_asked_for(self, pod: Object, requests: Mapping[str, int]) -> bool:
        """Whether the pod wants any device. `requests`: all that it asks for."""
        return bool(pod["spec"].get("resourceClaims")) or bool(resources_of(requests, self.answering))

    def asked(self, pod: Object) -> Asked:
        """Waits where no node would help, now."""
        claims = find_claims(pod, self.claims)
        unallocated = [one for one in claims if not is_allocated(one)]
        for one in unallocated:
            if meta.uid(one) in self.pending:
                raise Waits(f"resource claim {meta.key(one)} is in the process of being allocated")
        try:
            found = Asked(claims, unallocated, read_steps(unallocated, self.classes))
        except CannotAllocate as error:
            raise Waits(error.message) from None
        resources = resources_of(pod_requests(pod), self.answering) if self.answering else frozenset()
        return replace(found, resources=resources, left=find_made(pod, self.claims.values())) if resources else found

    def with_extended(self, pod: Object, asked: Asked, resources: frozenset[str]) -> Asked:
        """What it asks for on a node that has none of these `resources`."""
        if not resources:
            return asked
        extended = plan_claim(pod, str(uuid.uuid4()), resources, self.answering)
        claims = [*asked.open, extended]
        return replace(asked, open=claims, steps=read_steps(claims, self.classes), extended=extended)

    def questions(self, pod: Object) -> dict[Key, Device]:
        """What must be judged before the pod can be decided upon; nothing more: it can."""
        try:
            asked = self.asked(pod)
            steps = self.with_extended(pod, asked, asked.resources).steps
            return plan_questions(steps, self.offer.pools, self.judged)
        except Waits:
            return {}

    def ground(self) -> Ground:
        return Ground(self.offer, self._taken(), self.judged)

    def _taken(self) -> set[DeviceId]:
        found: set[DeviceId] = set().union(*self.pending.values())
        for claim in self.claims.values():
            found |= devices_of(claim)
        return found

    def plan(self, pod: Object, node: Object) -> ClaimPlan | None:
        """For a node that was found fit; None where the pod wants no devices there."""
        if not self.are_asked_for(pod, pod_requests(pod)):
            return None
        asked = self.asked(pod)
        asked = self.with_extended(pod, asked, left_to_devices(asked.resources, node))
        if not asked.claims and not asked.open:
            return None
        chosen = allocate(asked.open, asked.steps, self.ground(), node)
        if chosen is None:
            raise CannotAllocate("claim allocation not found for node")
        return ClaimPlan(asked.claims, dict(_allocations(asked.open, chosen)), asked.extended)

    def useless(self, pod: Object, reasons: Collection[str]) -> Object | None:
        """A claim of a pod that fits nowhere, for one because the claim's devices are where the pod cannot go, and
        nobody else uses them; or because it is left of an earlier try."""
        if LEFT in reasons:
            return find_made(pod, self.claims.values())
        if ELSEWHERE not in reasons:
            return None
        uid = meta.uid(pod)
        for one in find_claims(pod, self.claims):
            users = (one.get("status") or {}).get("reservedFor") or ()
            if is_allocated(one) and all(each.get("uid") == uid for each in users):
                return one
        return None

    def promise(self, plan: ClaimPlan) -> None:
        for uid, allocation in plan.allocations.items():
            self.pending[uid] = devices_of({"status": {"allocation": allocation}})

    def take_back(self, plan: ClaimPlan) -> None:
        for uid in plan.allocations:
            self.pending.pop(uid, None)


def _allocations(claims: list[Object], chosen: list[Choice]) -> Iterator[tuple[str, Object]]:
    for number, claim in enumerate(claims):
        yield meta.uid(claim), plan_allocation(claim, [one for one in chosen if one.wish.claim == number])


def freed(old: Object | None, new: Object | None) -> bool:
    """Pure: whether a claim's change may help a pod: it is new, was given devices by somebody, or gave some up.

    >>> users = lambda count: {"status": {"reservedFor": [{}] * count}}
    >>> freed(users(2), users(1)), freed(users(1), users(2)), freed(None, users(0))
    (True, False, True)
    """
    if old is None or new is None:
        return True
    if is_allocated(old) != is_allocated(new):
        return True
    return _users(new) < _users(old)


def _users(claim: Mapping[str, Any]) -> int:
    return len((claim.get("status") or {}).get("reservedFor") or ())

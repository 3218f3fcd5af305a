"""Devices as the API tells of them, and what this scheduler has given away and not written yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from corral.cluster.client import meta
from corral.cluster.scheduler.devices.allocating import Choice, Ground, allocate
from corral.cluster.scheduler.devices.pod_claims import Waits, find_claims, is_allocated
from corral.cluster.scheduler.devices.pools import Device, DeviceId, Offer, read_pools
from corral.cluster.scheduler.devices.results import devices_of, plan_allocation
from corral.cluster.scheduler.devices.selecting import Key, plan_questions
from corral.cluster.scheduler.devices.wishes import CannotAllocate, Step, read_steps

Object = dict[str, Any]

ELSEWHERE: Final = "resourceclaim not available on the node"


class ClaimPlan(NamedTuple):
    """What must be written before the pod goes to its node. `allocations`: by the uid of claims that have none yet."""

    claims: list[Object]
    allocations: dict[str, Object]


@dataclass(frozen=True)
class Asked:
    """What one pod asks for. `open`: its claims that have no devices yet, with their `steps`."""

    claims: list[Object]
    open: list[Object]
    steps: list[Step]


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

    # ------------------------------------------------------------------------------------------------ deciding

    def asked(self, pod: Object) -> Asked:
        """Waits where no node would help, now."""
        claims = find_claims(pod, self.claims)
        unallocated = [one for one in claims if not is_allocated(one)]
        for one in unallocated:
            if meta.uid(one) in self.pending:
                raise Waits(f"resource claim {meta.key(one)} is in the process of being allocated")
        try:
            return Asked(claims, unallocated, read_steps(unallocated, self.classes))
        except CannotAllocate as error:
            raise Waits(error.message) from None

    def questions(self, pod: Object) -> dict[Key, Device]:
        """What must be judged before the pod can be decided upon; nothing more: it can."""
        try:
            return plan_questions(self.asked(pod).steps, self.offer.pools, self.judged)
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
        """For a node that was found fit; None where the pod has no claims."""
        if not pod["spec"].get("resourceClaims"):
            return None
        asked = self.asked(pod)
        chosen = allocate(asked.open, asked.steps, self.ground(), node)
        if chosen is None:
            raise CannotAllocate("claim allocation not found for node")
        return ClaimPlan(asked.claims, dict(_allocations(asked.open, chosen)))

    def useless(self, pod: Object, reasons: Collection[str]) -> Object | None:
        """A claim of a pod that fits nowhere, for one because the claim's devices are where the pod cannot go; and
        nobody else uses them."""
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

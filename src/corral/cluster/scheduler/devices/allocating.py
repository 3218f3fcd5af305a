"""Which devices claims get on a node. Pure: an exhaustive search that ends with the first solution.

One request after the other, one device after the other; where there is no way on, the last choice is taken back.
Within a request devices are taken in one order only, as their order makes no difference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from corral.cluster.scheduler.devices.pools import Device, DeviceId, Offer
from corral.cluster.scheduler.devices.selecting import Judged, selects
from corral.cluster.scheduler.devices.wishes import MOST, CannotAllocate, Step, Wish, claim_key
from corral.model.kubernetes.device_taints import is_barred

Object = dict[str, Any]

LONGEST: Final = 100_000  # choices that are tried for one node


class Choice(NamedTuple):
    wish: Wish
    device: Device


@dataclass(frozen=True)
class Ground:
    """What an allocation is made on. `taken`: the devices of other claims, in all pools."""

    offer: Offer
    taken: Collection[DeviceId]
    judged: Judged


def allocate(claims: Sequence[Object], steps: Sequence[Step], ground: Ground, node: Object) -> list[Choice] | None:
    """The devices for all claims, request by request; None where the node has not enough. CannotAllocate."""
    search = _Search(claims, steps, ground, node)
    return search.chosen if search.step(0) else None


@dataclass
class _Search:
    claims: Sequence[Object]
    steps: Sequence[Step]
    ground: Ground
    node: Object
    chosen: list[Choice] = field(default_factory=list)
    used: Mapping[DeviceId, list[int]] = field(default_factory=dict)
    tried: int = 0

    def __post_init__(self) -> None:
        self.here = self.ground.offer.at(self.node)
        self.pool_of = self.ground.offer.pool_of
        self._matching: dict[int, list[Device]] = {}

    def step(self, at: int) -> bool:
        if at == len(self.steps):
            return True
        for wish in self.steps[at].wishes:
            devices = self.matching(wish)
            count = len(devices) if wish.count is None else wish.count
            has = sum(one.wish.claim == wish.claim for one in self.chosen)
            if not count or has + count > MOST or len(devices) < count:
                continue
            if self.fill(at, wish, devices, count, 0):
                return True
        return False

    def fill(self, at: int, wish: Wish, devices: list[Device], left: int, start: int) -> bool:
        """`left`: devices that are still to be found for the wish, in `devices` from `start` on."""
        if not left:
            return self.step(at + 1)
        for number in range(start, len(devices) - left + 1):
            self.tried += 1
            if self.tried > LONGEST:
                raise CannotAllocate(f"filter operation aborted: more than {LONGEST} ways to choose devices were tried")
            device = devices[number]
            if not self.is_free(device, wish) or not self.fits(device, wish):
                continue
            self.chosen.append(Choice(wish, device))
            if self.fill(at, wish, devices, left - 1, number + 1):
                return True
            self.chosen.pop()
        return False

    def matching(self, wish: Wish) -> list[Device]:
        """Those of the node that the wish's selectors select, in use or not."""
        found = self._matching.get(id(wish))
        if found is None:
            usable = [one for one in self.here if not self.pool_of[one.id].problem]
            if wish.count is None:
                usable = self._complete(wish)
            found = self._matching[id(wish)] = [one for one in usable if selects(wish, one, self.ground.judged)]
        return found

    def _complete(self, wish: Wish) -> list[Device]:
        """Nobody knows how many all are while a pool is being written."""
        for one in self.here:
            if (pool := self.pool_of[one.id]).problem:
                about = f"claim {claim_key(self.claims[wish.claim])}, request {wish.name}"
                what = f"asks for all devices, but resource pool {pool.driver}/{pool.name} is {pool.problem}"
                raise CannotAllocate(f"{about}: {what}")
        return self.here

    def is_free(self, device: Device, wish: Wish) -> bool:
        """Who has administrative access shares a device with others, but has it once in a claim."""
        mine = [one for one in self.chosen if one.device.id == device.id]
        if wish.admin:
            return all(one.wish.claim != wish.claim for one in mine)
        return not mine and device.id not in self.ground.taken

    def fits(self, device: Device, wish: Wish) -> bool:
        return (
            not is_barred(device.taints, wish.tolerations) and self._is_enough(device) and self._is_bound(device, wish)
        )

    def _is_enough(self, device: Device) -> bool:
        """Of what the devices of its pool share."""
        if not device.consumes:
            return True
        pool = self.pool_of[device.id]
        users = [one for one in pool.devices if one.id in self.ground.taken]
        users += [one.device for one in self.chosen if one.device.id[:2] == device.id[:2] and not one.wish.admin]
        for name, amounts in device.consumes.items():
            for counter, amount in amounts.items():
                used = sum(one.consumes.get(name, {}).get(counter, 0) for one in users)
                if used + amount > pool.counters.get(name, {}).get(counter, 0):
                    return False
        return True

    def _is_bound(self, device: Device, wish: Wish) -> bool:
        """To the same value as the others of its claim where a constraint says so, or to one of its own."""
        devices = self.claims[wish.claim]["spec"]["devices"]
        for rule in devices.get("constraints") or ():
            names = rule.get("requests") or ()
            if not wish.is_meant(names):
                continue
            same = rule.get("matchAttribute")
            value = device.attribute(same or rule["distinctAttribute"])
            if value is None:
                return False
            others = [one for one in self.chosen if one.wish.claim == wish.claim and one.wish.is_meant(names)]
            values = [one.device.attribute(same or rule["distinctAttribute"]) for one in others]
            if any((value == one) is not bool(same) for one in values):
                return False
        return True

"""What drivers offer, read from ResourceSlices: pools of devices, and from which nodes each is reached. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from corral.model.kubernetes import quantity
from corral.model.kubernetes.device_taints import is_selected
from corral.model.kubernetes.placement import matches_terms

Object = dict[str, Any]
Counters = Mapping[str, Mapping[str, int]]  # by set and name, in billionths


class DeviceId(NamedTuple):
    driver: str
    pool: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True, eq=False)
class Device:
    """`place`: what says from which nodes it is reached; `look`: a key for what expressions see of it."""

    id: DeviceId
    spec: Object
    place: Object
    look: str
    taints: tuple[Object, ...] = ()
    consumes: Counters = field(default_factory=dict)

    def attribute(self, name: str) -> Object | None:
        """By its full name, as in gpu.example.com/model; the driver's own may lack the domain.

        >>> spec = {"name": "g", "attributes": {"model": {"string": "x"}}}
        >>> one = Device(DeviceId("gpu.example.com", "p", "g"), spec, {}, "")
        >>> one.attribute("gpu.example.com/model"), one.attribute("example.com/model")
        ({'string': 'x'}, None)
        """
        known = self.spec.get("attributes") or {}
        domain, _, short = name.rpartition("/")
        found = known.get(name)
        return known.get(short) if found is None and domain == self.id.driver else found


@dataclass(frozen=True, eq=False)
class Pool:
    """`problem`: why nothing may be taken from it now, "" where it may. `counters`: what its devices share."""

    driver: str
    name: str
    devices: tuple[Device, ...]
    problem: str = ""
    counters: Counters = field(default_factory=dict)


class Offer:
    """All pools, made ready to be asked what a node reaches."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        self.pools = pools
        self.pool_of = {device.id: pool for pool in pools for device in pool.devices}
        self._local: dict[str, list[Device]] = {}
        self._shared: list[Device] = []
        for device in (device for pool in pools for device in pool.devices):
            if name := device.place.get("nodeName"):
                self._local.setdefault(name, []).append(device)
            else:
                self._shared.append(device)

    def at(self, node: Object) -> list[Device]:
        """The node's own devices come first.

        >>> made = [Device(DeviceId("d", "p", str(n)), {}, place, "") for n, place in enumerate(({"allNodes": True},
        ...     {"nodeName": "a"}, {"nodeName": "b"}))]
        >>> [one.id.name for one in Offer([Pool("d", "p", tuple(made))]).at({"metadata": {"name": "b"}})]
        ['2', '0']
        """
        shared = [one for one in self._shared if reaches(one.place, node)]
        return [*self._local.get(node["metadata"]["name"], ()), *shared]


def reaches(place: Object, node: Object) -> bool:
    """
    >>> reaches({"nodeName": "a"}, {"metadata": {"name": "b"}}), reaches({"allNodes": True}, {"metadata": {}})
    (False, True)
    """
    if place.get("nodeName"):
        return bool(place["nodeName"] == node["metadata"]["name"])
    if place.get("allNodes"):
        return True
    selector = place.get("nodeSelector")
    return selector is not None and matches_terms(selector.get("nodeSelectorTerms") or (), node)


def read_pools(slices: Iterable[Object], rules: Iterable[Object] = ()) -> list[Pool]:
    """All pools, by driver and name. Of an older generation nothing counts. `rules`: DeviceTaintRules.

    >>> def made(generation, count, *names):
    ...     pool = {"name": "p", "generation": generation, "resourceSliceCount": count}
    ...     devices = [{"name": one} for one in names]
    ...     return {"spec": {"driver": "d", "pool": pool, "allNodes": True, "devices": devices}}
    >>> [pool] = read_pools([made(1, 1, "old"), made(2, 2, "a"), made(2, 2, "b")])
    >>> [one.id.name for one in pool.devices], pool.problem
    (['a', 'b'], '')
    >>> read_pools([made(2, 2, "a")])[0].problem, read_pools([made(1, 1, "a", "a")])[0].problem
    ('currently being updated', 'currently invalid')
    """
    grouped: dict[tuple[str, str], list[Object]] = {}
    for one in slices:
        spec = one["spec"]
        grouped.setdefault((spec["driver"], spec["pool"]["name"]), []).append(spec)
    known = list(rules)
    return [_pool(driver, name, specs, known) for (driver, name), specs in sorted(grouped.items())]


def _pool(driver: str, name: str, specs: list[Object], rules: list[Object]) -> Pool:
    newest = max(int(one["pool"].get("generation") or 0) for one in specs)
    current = [one for one in specs if int(one["pool"].get("generation") or 0) == newest]
    devices = [_device(driver, name, spec, one, rules) for spec in current for one in spec.get("devices") or ()]
    problem = ""
    if len(current) != int(current[0]["pool"].get("resourceSliceCount") or 1):
        problem = "currently being updated"
    elif len({one.id for one in devices}) != len(devices):
        problem = "currently invalid"
    shared = [one for spec in current for one in spec.get("sharedCounters") or ()]
    return Pool(driver, name, tuple(devices), problem, {one["name"]: _amounts(one) for one in shared})


def _device(driver: str, pool: str, spec: Object, device: Object, rules: list[Object]) -> Device:
    place = device if spec.get("perDeviceNodeSelection") else spec
    id = DeviceId(driver, pool, device["name"])
    taints = [*(device.get("taints") or ()), *(rule["spec"]["taint"] for rule in rules if is_selected(rule, *id))]
    consumes = {one["counterSet"]: _amounts(one) for one in device.get("consumesCounters") or ()}
    return Device(id, device, place, look_of(driver, device), tuple(taints), consumes)


def _amounts(counters: Object) -> dict[str, int]:
    return {name: quantity.parse(str(one["value"])).nanos for name, one in (counters.get("counters") or {}).items()}


def seen(driver: str, device: Object) -> Object:
    """What expressions see of a device."""
    kept: Object = {key: device[key] for key in ("attributes", "capacity", "allowMultipleAllocations") if key in device}
    return {"driver": driver, **kept}


def look_of(driver: str, device: Object) -> str:
    return hashlib.sha1(msgspec.json.encode(seen(driver, device), order="sorted"), usedforsecurity=False).hexdigest()

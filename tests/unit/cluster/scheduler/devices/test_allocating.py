"""Which devices claims get on a node."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.scheduler.devices.allocating import Choice, Ground, allocate
from corral.cluster.scheduler.devices.pools import DeviceId, Offer, read_pools
from corral.cluster.scheduler.devices.results import plan_allocation
from corral.cluster.scheduler.devices.wishes import CannotAllocate, read_steps

Object = dict[str, Any]

DRIVER = "gpu.example.com"
CLASSES = {"gpu": {"metadata": {"name": "gpu"}, "spec": {}}}
NODE = {"metadata": {"name": "n1", "labels": {"zone": "a"}}}


def piece(*devices: Object, pool: str = "n1", count: int = 1, generation: int = 1, **place: Any) -> Object:
    about = {"name": pool, "generation": generation, "resourceSliceCount": count}
    spec = {"driver": DRIVER, "pool": about, "devices": list(devices), **(place or {"nodeName": "n1"})}
    return {"metadata": {"name": pool}, "spec": spec}


def device(name: str, /, taints: list[Object] | None = None, **attributes: Any) -> Object:
    kinds = {bool: "bool", int: "int", str: "string"}
    return {
        "name": name,
        "attributes": {key: {kinds[type(value)]: value} for key, value in attributes.items()},
        **({"taints": taints} if taints else {}),
    }


def asks(name: str = "r", count: int = 1, **more: Any) -> Object:
    return {
        "name": name,
        "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count, **more},
    }


def claim(*requests: Object, name: str = "c", **more: Any) -> Object:
    about = {"name": name, "namespace": "default", "uid": name}
    return {"metadata": about, "spec": {"devices": {"requests": list(requests), **more}}}


def choose(
    claims: list[Object], slices: list[Object], taken: set[str] | None = None, judged: Object | None = None
) -> list[Choice] | None:
    ground = Ground(
        Offer(read_pools(slices)), {DeviceId(DRIVER, "n1", one) for one in taken or ()}, _Judged(judged or {})
    )
    return allocate(claims, read_steps(claims, CLASSES), ground, NODE)


class _Judged(dict[Any, Any]):
    """What expressions say, by their text alone."""

    def __getitem__(self, key: tuple[str, str]) -> bool | str:
        found: bool | str = dict.__getitem__(self, key[0])
        return found


def names(found: list[Choice] | None) -> list[str] | None:
    return None if found is None else [one.device.id.name for one in found]


def test_free_ones_are_taken() -> None:
    slices = [piece(device("a"), device("b"), device("c"))]
    assert names(choose([claim(asks(count=2))], slices)) == ["a", "b"]
    assert names(choose([claim(asks(count=2))], slices, {"a"})) == ["b", "c"]
    assert choose([claim(asks(count=2))], slices, {"a", "b"}) is None
    assert names(choose([claim(asks()), claim(asks(), name="d")], slices, {"a"})) == ["b", "c"]


def test_from_where_they_are_reached() -> None:
    near = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}
    far = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}]}
    assert choose([claim(asks())], [piece(device("a"), nodeName="n2")]) is None
    assert choose([claim(asks())], [piece(device("a"), nodeSelector=far)]) is None
    assert names(choose([claim(asks())], [piece(device("a"), nodeSelector=near)])) == ["a"]
    each = [{"name": "a", "nodeName": "n2"}, {"name": "b", "allNodes": True}]
    assert names(choose([claim(asks())], [piece(*each, perDeviceNodeSelection=True)])) == ["b"]


def test_all_or_none_of_them() -> None:
    every = {"name": "r", "exactly": {"deviceClassName": "gpu", "allocationMode": "All"}}
    slices = [piece(device("a"), device("b"))]
    assert names(choose([claim(every)], slices)) == ["a", "b"]
    assert choose([claim(every)], slices, {"b"}) is None
    assert choose([claim(every)], []) is None
    with pytest.raises(
        CannotAllocate, match=r"asks for all devices, but resource pool gpu.example.com/n1 is currently"
    ):
        choose([claim(every)], [piece(device("a"), count=2)])
    assert choose([claim(asks())], [piece(device("a"), count=2)]) is None


def test_the_first_alternative_that_can_be_had() -> None:
    def one(name: str, count: int) -> Object:
        return {"name": name, "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count}

    request = {"name": "r", "firstAvailable": [one("two", 2), one("one", 1)]}
    slices = [piece(device("a"), device("b"))]
    found = choose([claim(request)], slices)
    assert found is not None and [each.wish.name for each in found] == ["r/two", "r/two"]
    found = choose([claim(request)], slices, {"a"})
    assert found is not None and [(each.wish.name, each.device.id.name) for each in found] == [("r/one", "b")]
    # What the first request takes is given back where the second could not be fulfilled otherwise.
    found = choose([claim(request, asks("other"))], slices)
    assert found is not None and [each.wish.name for each in found] == ["r/one", "other"]


def test_selectors_of_class_and_claim() -> None:
    cel = [{"cel": {"expression": "x"}}]
    slices = [piece(device("a"), device("b"))]
    assert choose([claim(asks(selectors=cel))], slices, judged={"x": False}) is None
    with pytest.raises(
        CannotAllocate, match=r"claim default/c: selector #0 on device gpu.example.com/n1/a: CEL runtime"
    ):
        choose([claim(asks(selectors=cel))], slices, judged={"x": "CEL runtime error: no such key: model"})


def test_constraints() -> None:
    slices = [piece(device("a", bus=1), device("b", bus=2), device("c", bus=2), device("d"))]
    same = [{"matchAttribute": f"{DRIVER}/bus"}]
    assert names(choose([claim(asks(count=2), constraints=same)], slices)) == ["b", "c"]
    assert choose([claim(asks(count=3), constraints=same)], slices) is None
    apart = [{"distinctAttribute": f"{DRIVER}/bus"}]
    assert names(choose([claim(asks(count=2), constraints=apart)], slices)) == ["a", "b"]
    only = [{"matchAttribute": f"{DRIVER}/bus", "requests": ["p", "q"]}]
    assert names(choose([claim(asks("p"), asks("q"), asks("r"), constraints=only)], slices)) == ["b", "c", "a"]


def test_taints() -> None:
    bad = [{"key": "broken", "value": "yes", "effect": "NoSchedule"}]
    slices = [piece(device("a", taints=bad), device("b", taints=[{**bad[0], "effect": "None"}]))]
    assert names(choose([claim(asks())], slices)) == ["b"]
    tolerant = asks(count=2, tolerations=[{"key": "broken", "operator": "Exists"}])
    assert names(choose([claim(tolerant)], slices)) == ["a", "b"]


def test_administrators_share_devices() -> None:
    slices = [piece(device("a"))]
    assert names(choose([claim(asks(adminAccess=True))], slices, {"a"})) == ["a"]
    assert choose([claim(asks("p", adminAccess=True), asks("q", adminAccess=True))], slices) is None


def test_parts_of_one_device_share_its_counters() -> None:
    def part(name: str, memory: str) -> Object:
        return {"name": name, "consumesCounters": [{"counterSet": "gpu", "counters": {"memory": {"value": memory}}}]}

    counters = piece(count=2)
    counters["spec"]["sharedCounters"] = [{"name": "gpu", "counters": {"memory": {"value": "10Gi"}}}]
    slices = [counters, piece(part("whole", "10Gi"), part("half", "5Gi"), part("other", "5Gi"), count=2)]
    assert names(choose([claim(asks(count=2))], slices)) == ["half", "other"]
    assert choose([claim(asks(count=3))], slices) is None
    assert choose([claim(asks())], slices, {"whole"}) is None


def test_what_a_claim_shows_of_it() -> None:
    config = {"opaque": {"driver": DRIVER, "parameters": {"a": 1}}}
    one = claim(asks(), config=[{"requests": ["r"], **config}, {"requests": ["r/x"], **config}])
    found = choose([one], [piece(device("a"))])
    assert found is not None
    shown = plan_allocation(one, found)
    assert shown["devices"]["results"] == [{"request": "r", "driver": DRIVER, "pool": "n1", "device": "a"}]
    assert shown["devices"]["config"] == [{"source": "FromClaim", **config}]
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    assert shown["nodeSelector"] == {"nodeSelectorTerms": [{"matchFields": [field]}]}

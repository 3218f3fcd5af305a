"""Devices for claims: what is given keeps to all that was asked, and nothing is refused that could be given."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.cluster.scheduler.devices.allocating import Choice, Ground, allocate
from corral.cluster.scheduler.devices.pools import Device, Offer, read_pools
from corral.cluster.scheduler.devices.wishes import read_steps

Object = dict[str, Any]

CLASSES = {"gpu": {"metadata": {"name": "gpu"}, "spec": {}}}
NODE = {"metadata": {"name": "n"}}


@st.composite
def devices(draw: st.DrawFn) -> list[Object]:
    found = []
    for number in range(draw(st.integers(0, 5))):
        bus = draw(st.sampled_from((None, 1, 2)))
        attributes = {} if bus is None else {"bus": {"int": bus}}
        found.append({"name": f"d{number}", "attributes": attributes})
    return found


@st.composite
def claims(draw: st.DrawFn) -> list[Object]:
    found = []
    for number in range(draw(st.integers(1, 2))):
        requests = []
        for place in range(draw(st.integers(1, 2))):
            counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
            wish = {"deviceClassName": "gpu", "allocationMode": "ExactCount"}
            if len(counts) == 1:
                requests.append({"name": f"r{place}", "exactly": {**wish, "count": counts[0]}})
            else:
                some = [{**wish, "name": f"a{n}", "count": count} for n, count in enumerate(counts)]
                requests.append({"name": f"r{place}", "firstAvailable": some})
        spec: Object = {"requests": requests}
        if draw(st.booleans()):
            spec["constraints"] = [{draw(st.sampled_from(("matchAttribute", "distinctAttribute"))): "d/bus"}]
        found.append({"metadata": {"name": str(number), "namespace": "x"}, "spec": {"devices": spec}})
    return found


def holds(claim: Object, chosen: tuple[Device, ...]) -> bool:
    """Whether these devices together keep to the claim's constraints."""
    values = [one.attribute("d/bus") for one in chosen]
    for rule in claim["spec"]["devices"].get("constraints") or ():
        if None in values:
            return False
        wanted = 1 if "matchAttribute" in rule else len(values)
        if len({str(one) for one in values}) != wanted:
            return False
    return True


def possible(asked: list[Object], free: list[Device]) -> bool:
    """By trying everything: are there devices for all claims, with some alternative of each request?"""
    if not asked:
        return True
    claim = asked[0]
    options = [
        [one["count"] for one in request.get("firstAvailable") or [request["exactly"]]]
        for request in claim["spec"]["devices"]["requests"]
    ]
    for counts in product(*options):
        for chosen in combinations(free, sum(counts)):
            if holds(claim, chosen) and possible(asked[1:], [one for one in free if one not in chosen]):
                return True
    return False


def of_claim(found: list[Choice], number: int) -> tuple[Device, ...]:
    return tuple(one.device for one in found if one.wish.claim == number)


@settings(max_examples=150, deadline=None)
@given(claims(), devices(), st.sets(st.integers(0, 4), max_size=2))
def test_as_good_as_trying_everything(asked: list[Object], known: list[Object], used: set[int]) -> None:
    spec = {"driver": "d", "nodeName": "n", "pool": {"name": "p", "resourceSliceCount": 1}, "devices": known}
    pools = read_pools([{"spec": spec}])
    every = [one for pool in pools for one in pool.devices]
    taken = {one.id for number, one in enumerate(every) if number in used}
    free = [one for one in every if one.id not in taken]
    found = allocate(asked, read_steps(asked, CLASSES), Ground(Offer(pools), taken, {}), NODE)
    assert (found is not None) is possible(asked, free)
    if found is None:
        return
    assert len({one.device.id for one in found}) == len(found)
    assert all(one.device in free for one in found)
    for number, claim in enumerate(asked):
        assert holds(claim, of_claim(found, number))
        for request in claim["spec"]["devices"]["requests"]:
            mine = [one for one in found if one.wish.claim == number and one.wish.request == request["name"]]
            names = {one.wish.name for one in mine}
            wishes = {f"{request['name']}/{one['name']}": one for one in request.get("firstAvailable") or ()}
            wishes = wishes or {request["name"]: request["exactly"]}
            assert len(names) == 1 and wishes[names.pop()]["count"] == len(mine)

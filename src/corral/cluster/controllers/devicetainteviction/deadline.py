"""When a claim's users have to go because of its devices' taints. Pure.

Follows k8s.io/kubernetes/pkg/controller/devicetainteviction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text
from corral.model.kubernetes.device_taints import is_selected, tolerates

Id = tuple[str, str, str]  # driver, pool, device
Taints = Mapping[Id, Sequence[Object]]


def read_taints(slices: Iterable[Object], rules: Iterable[Object]) -> dict[Id, list[Object]]:
    """The taints that drive out, of the devices that have any. Slices of an older generation say nothing any more.

    >>> taint = {"key": "hot", "effect": "NoExecute"}
    >>> devices = [{"name": "x", "taints": [taint]}, {"name": "y", "taints": [{"key": "a", "effect": "NoSchedule"}]}]
    >>> read_taints([{"spec": {"driver": "d", "pool": {"name": "p"}, "devices": devices}}], [])
    {('d', 'p', 'x'): [{'key': 'hot', 'effect': 'NoExecute'}]}
    """
    specs, known = [one["spec"] for one in slices], list(rules)
    newest: dict[tuple[str, str], int] = {}
    for spec in specs:
        pool = (spec["driver"], spec["pool"]["name"])
        newest[pool] = max(newest.get(pool, 0), int(spec["pool"].get("generation") or 0))
    found: dict[Id, list[Object]] = {}
    for spec in specs:
        driver, pool_name = spec["driver"], spec["pool"]["name"]
        if int(spec["pool"].get("generation") or 0) < newest[driver, pool_name]:
            continue
        for device in spec.get("devices") or ():
            id = (driver, pool_name, device["name"])
            taints = [*(device.get("taints") or ()), *(one["spec"]["taint"] for one in known if is_selected(one, *id))]
            driving = [one for one in taints if one["effect"] == "NoExecute"]
            if driving:
                found[id] = driving
    return found


def deadline(claim: Object, taints: Taints, now: float) -> float | None:
    """Seconds since the epoch; None: they may stay. It counts from when each taint was set.

    >>> result = {"driver": "d", "pool": "p", "device": "x"}
    >>> bears = {"operator": "Exists", "tolerationSeconds": 30}
    >>> claim = lambda *bears: {"status": {"allocation": {"devices": {"results": [{**result, "tolerations": bears}]}}}}
    >>> known = {("d", "p", "x"): [{"key": "hot", "effect": "NoExecute", "timeAdded": "1970-01-01T00:01:00Z"}]}
    >>> deadline(claim(bears), known, 70.0), deadline(claim(), known, 70.0), deadline(claim(bears), {}, 70.0)
    (90.0, 60.0, None)
    """
    allocation = (claim.get("status") or {}).get("allocation") or {}
    times = [
        time
        for one in (allocation.get("devices") or {}).get("results") or ()
        for taint in taints.get((one["driver"], one["pool"], one["device"]), ())
        if (time := _end(taint, one.get("tolerations") or (), now)) is not None
    ]
    return min(times, default=None)


def _end(taint: Object, tolerations: Iterable[Object], now: float) -> float | None:
    added = from_text(taint["timeAdded"]).timestamp() if taint.get("timeAdded") else now
    matching = [one.get("tolerationSeconds") for one in tolerations if tolerates(one, taint)]
    if not matching:
        return added
    limits = [max(int(one), 0) for one in matching if one is not None]
    return added + min(limits) if limits else None

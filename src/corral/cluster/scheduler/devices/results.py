"""An allocation as a claim's status shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from corral.cluster.scheduler.devices.allocating import Choice
from corral.cluster.scheduler.devices.pools import DeviceId

Object = dict[str, Any]

FINALIZER: Final = "resource.kubernetes.io/delete-protection"
MOST_USERS: Final = 256  # pods that share a claim


def plan_allocation(claim: Object, choices: Sequence[Choice]) -> Object:
    """What is written of one claim; `choices` are its own."""
    found: Object = {"devices": {"results": [_result(one) for one in choices]}}
    configs = plan_configs(claim, choices)
    if configs:
        found["devices"]["config"] = configs
    selector = plan_node_selector(choices)
    if selector is not None:
        found["nodeSelector"] = selector
    return found


def _result(one: Choice) -> Object:
    id = one.device.id
    found: Object = {"request": one.wish.name, "driver": id.driver, "pool": id.pool, "device": id.name}
    if one.wish.admin:
        found["adminAccess"] = True
    if one.wish.tolerations:
        found["tolerations"] = list(one.wish.tolerations)
    return found


def plan_configs(claim: Object, choices: Sequence[Choice]) -> list[Object]:
    """Those of the classes, each once, then the claim's own that are about what was chosen."""
    devices = claim["spec"]["devices"]
    wishes = list({one.wish.name: one.wish for one in choices}.values())
    by_class: dict[str, list[Any]] = {}
    for wish in wishes:
        by_class.setdefault(wish.kind["metadata"]["name"], []).append(wish)
    found = [
        {"source": "FromClass", "requests": [one.name for one in some], **config}
        for some in by_class.values()
        for config in some[0].kind["spec"].get("config") or ()
    ]
    for config in devices.get("config") or ():
        names = config.get("requests") or []
        if any(one.is_meant(names) for one in wishes):
            found.append({"source": "FromClaim", **config})
    for one in found:
        if len(one.get("requests") or ()) in (0, len(devices["requests"])):
            one.pop("requests", None)  # for all of them
    return found


def plan_node_selector(choices: Iterable[Choice]) -> Object | None:
    """From which nodes all of the devices are reached; None: from all."""
    term: dict[str, list[Object]] = {}
    for one in choices:
        place = one.device.place
        if place.get("nodeName"):
            field = {"key": "metadata.name", "operator": "In", "values": [place["nodeName"]]}
            return {"nodeSelectorTerms": [{"matchFields": [field]}]}
        for part in (place.get("nodeSelector") or {}).get("nodeSelectorTerms") or ():
            for key in ("matchFields", "matchExpressions"):
                mine = term.setdefault(key, [])
                mine += [each for each in part.get(key) or () if each not in mine]
    found = {key: some for key, some in term.items() if some}
    return {"nodeSelectorTerms": [found]} if found else None


def devices_of(claim: Object) -> set[DeviceId]:
    """Those that a claim has for itself.

    >>> result = {"request": "r", "driver": "d", "pool": "p", "device": "x"}
    >>> devices_of({"status": {"allocation": {"devices": {"results": [result, {**result, "adminAccess": True}]}}}})
    {DeviceId(driver='d', pool='p', name='x')}
    """
    allocation = (claim.get("status") or {}).get("allocation") or {}
    results = (allocation.get("devices") or {}).get("results") or ()
    return {DeviceId(one["driver"], one["pool"], one["device"]) for one in results if not one.get("adminAccess")}


def is_reserved(claim: Object, uid: str) -> bool:
    return any(one.get("uid") == uid for one in (claim.get("status") or {}).get("reservedFor") or ())


def plan_reserved(claim: Object, pod: Object, allocation: Object | None) -> Object:
    """The claim's status with the pod among its users, and its devices where it had none.

    >>> pod = {"metadata": {"name": "web", "uid": "u"}}
    >>> plan_reserved({"status": {"allocation": {}}}, pod, None)["reservedFor"]
    [{'resource': 'pods', 'name': 'web', 'uid': 'u'}]
    """
    status = dict(claim.get("status") or {})
    if allocation is not None:
        status["allocation"] = allocation
    user = {"resource": "pods", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    return {**status, "reservedFor": [*(status.get("reservedFor") or ()), user]}

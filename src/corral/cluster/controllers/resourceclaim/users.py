"""Who uses a claim still, and what becomes of one that nobody uses. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from corral.cluster.client import meta

Object = dict[str, Any]

FINALIZER: Final = "resource.kubernetes.io/delete-protection"
MOST_USERS: Final = 256


class Upkeep(NamedTuple):
    """What is to be done with a claim. `status` None: it stays; `delete`: it was made for a pod that is over."""

    status: Object | None
    release: bool  # nothing keeps it from being deleted any more
    delete: bool = False


def is_done(pod: Object) -> bool:
    """Whether it will not use anything any more: it has ended, or goes without ever having had a node."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return ended or (meta.deleting(pod) and not pod["spec"].get("nodeName"))


def plan_upkeep(claim: Object, users: Collection[str], owner: str | None) -> Upkeep:
    """`users`: the uids of pods that are there and not done; `owner`: of the pod that it was made for, None where it
    was made for itself. Devices that nobody uses are given back.

    >>> status = {"allocation": {}, "reservedFor": [{"resource": "pods", "name": "a", "uid": "1"}]}
    >>> claim = {"metadata": {"finalizers": [FINALIZER]}, "status": status}
    >>> plan_upkeep(claim, ["1"], "1")
    Upkeep(status=None, release=False, delete=False)
    >>> plan_upkeep(claim, [], "1")
    Upkeep(status={}, release=True, delete=True)
    >>> plan_upkeep(claim, [], None)
    Upkeep(status={}, release=True, delete=False)
    """
    before = claim.get("status") or {}
    reserved = before.get("reservedFor") or []
    valid = [one for one in reserved if one.get("resource") != "pods" or one.get("uid") in users]
    status = None
    if len(valid) < len(reserved) or (not valid and meta.deleting(claim) and before.get("allocation")):
        status = {key: value for key, value in before.items() if key != "reservedFor"}
        if valid:
            status["reservedFor"] = valid
        else:
            status.pop("allocation", None)
            status.pop("devices", None)
    after = before if status is None else status
    protected = FINALIZER in (claim["metadata"].get("finalizers") or ())
    release = protected and not after.get("allocation") and (status is not None or meta.deleting(claim))
    over = owner is not None and owner not in users
    return Upkeep(status, release, over and not valid and not meta.deleting(claim))


def plan_reservations(pod: Object, claims: Collection[Object]) -> Iterator[tuple[Object, Object]]:
    """(claim, its status) for each allocated claim of a pod that was given its node by somebody else than the
    scheduler, and is no user of it yet.

    >>> pod = {"metadata": {"name": "a", "uid": "1"}, "spec": {"nodeName": "n"}}
    >>> [(_, status)] = plan_reservations(pod, [{"status": {"allocation": {}}}])
    >>> status["reservedFor"]
    [{'resource': 'pods', 'name': 'a', 'uid': '1'}]
    """
    if not pod["spec"].get("nodeName") or is_done(pod):
        return
    mine = {"resource": "pods", "name": meta.name(pod), "uid": meta.uid(pod)}
    for claim in claims:
        status = claim.get("status") or {}
        users = status.get("reservedFor") or []
        known = any(one.get("uid") == mine["uid"] for one in users)
        if status.get("allocation") is not None and not known and len(users) < MOST_USERS:
            yield claim, {**status, "reservedFor": [*users, mine]}

"""The ResourceClaims of a pod, and whether it may be scheduled with them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from corral.cluster.scheduler.devices.results import MOST_USERS, is_reserved
from corral.errors import CorralError

Object = dict[str, Any]


class Waits(CorralError):
    """The pod waits for a claim: no node would help now."""


def claim_names(pod: Object) -> Iterator[tuple[str, str, bool]]:
    """(the pod's word for it, the claim's name, whether the pod must own it). Waits.

    >>> spec = {"resourceClaims": [{"name": "a", "resourceClaimName": "x"}, {"name": "b",
    ...     "resourceClaimTemplateName": "t"}, {"name": "c", "resourceClaimTemplateName": "t"}]}
    >>> status = {"resourceClaimStatuses": [{"name": "b", "resourceClaimName": "web-b"}, {"name": "c"}]}
    >>> list(claim_names({"metadata": {}, "spec": spec, "status": status}))
    [('a', 'x', False), ('b', 'web-b', True)]
    """
    known = {one["name"]: one for one in (pod.get("status") or {}).get("resourceClaimStatuses") or ()}
    for one in pod["spec"].get("resourceClaims") or ():
        if one.get("resourceClaimName"):
            yield one["name"], one["resourceClaimName"], False
        elif one["name"] not in known:
            where = f"{pod['metadata'].get('namespace', '')}/{pod['metadata'].get('name', '')}"
            raise Waits(f'pod "{where}": ResourceClaim not created yet')
        elif known[one["name"]].get("resourceClaimName"):  # else none is needed
            yield one["name"], known[one["name"]]["resourceClaimName"], True


def find_claims(pod: Object, claims: Mapping[str, Object]) -> list[Object]:
    """Those that the pod uses, by "namespace/name". Waits."""
    namespace, found = pod["metadata"]["namespace"], []
    for _, name, owned in claim_names(pod):
        claim = claims.get(f"{namespace}/{name}")
        if claim is None:
            raise Waits(f'could not find ResourceClaim "{namespace}/{name}"')
        if "deletionTimestamp" in claim["metadata"]:
            raise Waits(f'resourceclaim "{name}" is being deleted')
        if owned and not is_owned(claim, pod):
            raise Waits(f"ResourceClaim {namespace}/{name} was not created for Pod {namespace}/"
                        f"{pod['metadata']['name']} (Pod is not owner)")  # fmt: skip
        status = claim.get("status") or {}
        crowded = len(status.get("reservedFor") or ()) >= MOST_USERS
        if status.get("allocation") and crowded and not is_reserved(claim, pod["metadata"]["uid"]):
            raise Waits("resourceclaim in use")
        found.append(claim)
    return found


def is_owned(claim: Object, pod: Object) -> bool:
    owners = claim["metadata"].get("ownerReferences") or ()
    return any(one.get("controller") and one.get("uid") == pod["metadata"]["uid"] for one in owners)


def is_allocated(claim: Object) -> bool:
    return (claim.get("status") or {}).get("allocation") is not None

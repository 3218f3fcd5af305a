"""Whose a StatefulSet's claims are: of the set, of a pod that goes, or of nobody. Pure.

The garbage collector deletes a claim with its owners, so who owns it decides when it goes
(persistentVolumeClaimRetentionPolicy).
"""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object


def policy(owner: Object) -> tuple[bool, bool]:
    """Whether claims go (when the set is deleted, when it shrinks).

    >>> policy({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}}), policy({"spec": {}})
    ((True, False), (False, False))
    """
    found = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return found.get("whenDeleted") == "Delete", found.get("whenScaled") == "Delete"


def plan_owners(
    owner: Object, reference: Object, pod: Object | None, claim: Object, *, condemned: bool
) -> list[Object]:
    """The owner references that a claim should have. `pod`: the one that has the claim.

    >>> owner = {"metadata": {"name": "db", "uid": "s"}, "spec": {"persistentVolumeClaimRetentionPolicy":
    ...          {"whenDeleted": "Delete", "whenScaled": "Delete"}}}
    >>> pod, claim = {"metadata": {"name": "db-1", "uid": "p"}}, {"metadata": {}}
    >>> [plan_owners(owner, {"uid": "s"}, pod, claim, condemned=gone)[0]["uid"] for gone in (False, True)]
    ['s', 'p']
    """
    when_deleted, when_scaled = policy(owner)
    ours = {meta.uid(owner), *([meta.uid(pod)] if pod else [])}
    found = [one for one in claim["metadata"].get("ownerReferences") or () if one.get("uid") not in ours]
    if condemned and when_scaled and pod is not None:
        return [*found, meta.reference(pod, "v1", "Pod")]
    return [*found, reference] if when_deleted else found


def is_stale(pod_uid: str, pod_name: str, claim: Object) -> bool:
    """Whether a claim is about to go with a pod that had the name before.

    >>> claim = {"metadata": {"ownerReferences": [{"kind": "Pod", "name": "db-1", "uid": "old"}]}}
    >>> is_stale("new", "db-1", claim), is_stale("old", "db-1", claim)
    (True, False)
    """
    owners = claim["metadata"].get("ownerReferences") or ()
    return meta.deleting(claim) or any(
        one.get("kind") == "Pod" and one.get("name") == pod_name and one.get("uid") != pod_uid for one in owners
    )

"""Whether an object goes. Pure. Follows k8s.io/kubernetes/pkg/controller/garbagecollector/garbagecollector.go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.garbagecollector.graph import FOREGROUND, ORPHAN

ABSENT: Final = "absent"
WAITING: Final = "waiting"
SOLID: Final = "solid"

KEEP: Final = "keep"
RELEASE: Final = "release"
DELETE: Final = "delete"


class Verdict(NamedTuple):
    """KEEP it as it is; RELEASE: write its `owners`, which are fewer; DELETE it with this propagation policy.

    A deletion with `owners` writes these first: they no longer block, for two objects that wait for each other.
    """

    action: str
    owners: Sequence[Object] = ()
    policy: str = ""


def state_of_owner(owner: Object | None, uid: str) -> str:
    """What a live read says of an owner: the object under its name, or None.

    >>> state_of_owner(None, "u"), state_of_owner({"metadata": {"uid": "other"}}, "u")
    ('absent', 'absent')
    >>> state_of_owner({"metadata": {"uid": "u"}}, "u")
    'solid'
    """
    if owner is None or meta.uid(owner) != uid:
        return ABSENT
    waits = meta.deleting(owner) and FOREGROUND in (owner["metadata"].get("finalizers") or ())
    return WAITING if waits else SOLID


def plan_collection(obj: Object, states: Sequence[str], *, has_dependents: bool, in_circle: bool) -> Verdict:
    """`states` of its owners, in the order of its ownerReferences, as live reads have found them.

    What has a living owner stays. `in_circle`: one of its dependents waits for its own dependents.

    >>> obj = {"metadata": {"ownerReferences": [{"uid": "a"}, {"uid": "b"}]}}
    >>> plan_collection(obj, [ABSENT, SOLID], has_dependents=False, in_circle=False)
    Verdict(action='release', owners=[{'uid': 'b'}], policy='')
    >>> plan_collection(obj, [ABSENT, WAITING], has_dependents=True, in_circle=False).policy
    'Foreground'
    >>> plan_collection(obj, [ABSENT, ABSENT], has_dependents=True, in_circle=False).policy
    'Background'
    """
    references = obj["metadata"].get("ownerReferences") or []
    if not references:
        return Verdict(KEEP)
    solid = [one for one, state in zip(references, states, strict=True) if state == SOLID]
    if solid:
        return Verdict(KEEP) if len(solid) == len(references) else Verdict(RELEASE, solid)
    if WAITING in states and has_dependents:
        return Verdict(DELETE, _not_blocking(references) if in_circle else (), "Foreground")
    finalizers = obj["metadata"].get("finalizers") or ()
    if ORPHAN in finalizers:
        return Verdict(DELETE, (), "Orphan")
    return Verdict(DELETE, (), "Foreground" if FOREGROUND in finalizers else "Background")


def _not_blocking(references: Sequence[Object]) -> list[Object]:
    return [{**one, "blockOwnerDeletion": False} if one.get("blockOwnerDeletion") else one for one in references]

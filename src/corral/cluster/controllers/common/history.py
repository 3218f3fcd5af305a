"""ControllerRevisions: the templates that a StatefulSet or a DaemonSet had, so that one can go back.

Follows upstream's pkg/controller/history. `kubectl rollout history` and `undo` read them.
"""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.builtin import CONTROLLER_REVISIONS
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client, Object
from corral.cluster.controllers.common.hashing import hashed
from corral.cluster.controllers.common.objects import canonical, sorted_by_key
from corral.model.kubernetes.status import StatusError

POD_LABEL = "controller-revision-hash"  # of pods, and of a DaemonSet's revisions
HASH_LABEL = "controller.kubernetes.io/hash"  # of a StatefulSet's revisions


def revision_data(owner: Object) -> Object:
    """Pure: the patch that brings an owner back to the template it has now.

    Clients of upstream's compare its bytes with what they encode themselves: the order of its keys matters.

    >>> revision_data({"spec": {"template": {"spec": {"b": 1, "a": 2}}}})
    {'spec': {'template': {'$patch': 'replace', 'spec': {'a': 2, 'b': 1}}}}
    """
    return sorted_by_key({"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}})


def template_of(revision: Object) -> Object:
    """Pure: the template that a revision keeps.

    >>> template_of({"data": {"spec": {"template": {"spec": {}, "$patch": "replace"}}}})
    {'spec': {}}
    """
    template = ((revision.get("data") or {}).get("spec") or {}).get("template") or {}
    return {key: value for key, value in template.items() if key != "$patch"}


def number(revision: Object) -> int:
    return int(revision.get("revision") or 0)


def in_order(revisions: Iterable[Object]) -> list[Object]:
    """Pure: from the oldest to the newest."""
    return sorted(
        revisions,
        key=lambda one: (number(one), one["metadata"].get("creationTimestamp") or "", meta.name(one)),
    )


class Current(NamedTuple):
    """Which revision has the owner's template: `found` (None: none yet), to be renumbered if `number` differs."""

    found: Object | None
    number: int


def plan_current(owner: Object, revisions: Iterable[Object]) -> Current:
    """Pure: the latest revision with the owner's template; one that is not the latest of all becomes that.

    >>> owner = lambda image: {"spec": {"template": {"spec": {"image": image}}}}
    >>> old, new = ({"metadata": {"name": name}, "revision": n, "data": revision_data(owner(name))}
    ...             for n, name in ((1, "a"), (2, "b")))
    >>> plan_current(owner("b"), [old, new]).number, plan_current(owner("a"), [old, new]).number
    (2, 3)
    >>> plan_current(owner("c"), [old, new])
    Current(found=None, number=3)
    """
    ordered = in_order(revisions)
    wanted = canonical(revision_data(owner))
    same = [one for one in ordered if canonical(one.get("data")) == wanted]
    following = number(ordered[-1]) + 1 if ordered else 1
    if not same:
        return Current(None, following)
    return Current(same[-1], number(same[-1]) if same[-1] is ordered[-1] else following)


def new_revision(owner: Object, reference: Object, label: str, number: int, collisions: int) -> Object:
    """Pure: a revision with the owner's template; its hash stands in its name and under `label`."""
    hash = hashed(owner["spec"]["template"], collisions)
    labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    metadata: Object = {
        "name": f"{meta.name(owner)}-{hash}",
        "namespace": meta.namespace(owner),
        "labels": {**labels, label: hash},
        "ownerReferences": [reference],
    }
    if owner["metadata"].get("annotations"):
        metadata["annotations"] = dict(owner["metadata"]["annotations"])
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": revision_data(owner),
        "revision": number,
    }


def plan_cleanup(revisions: Iterable[Object], live: AnyOf[str], limit: int | None) -> list[Object]:
    """Pure: old revisions beyond the limit, oldest first; those whose names are `live` are not counted.

    >>> revisions = [{"metadata": {"name": name}, "revision": n} for n, name in enumerate("abcd")]
    >>> [meta.name(one) for one in plan_cleanup(revisions, {"a", "d"}, 1)]
    ['b']
    """
    old = [one for one in in_order(revisions) if meta.name(one) not in live]
    return old[: max(0, len(old) - limit)] if limit is not None else []


class Collided(Exception):
    """Another template has got the name: try again with one collision more."""


class History:
    """Writes revisions."""

    def __init__(self, client: Client, informer: Informer, label: str) -> None:
        self._client, self._informer, self._label = client, informer, label

    async def current(self, owner: Object, reference: Object, revisions: Sequence[Object], collisions: int) -> Object:
        """The revision with the owner's template, made or renumbered if need be. StatusError, Collided."""
        plan = plan_current(owner, revisions)
        if plan.found is None:
            made = await self._make(owner, new_revision(owner, reference, self._label, plan.number, collisions))
        elif number(plan.found) != plan.number:
            made = await self._client.update(CONTROLLER_REVISIONS, {**plan.found, "revision": plan.number})
        else:
            return plan.found
        await self._informer.seen(made)
        return made

    async def _make(self, owner: Object, new: Object) -> Object:
        try:
            return await self._client.create(CONTROLLER_REVISIONS, new)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        there = await self._client.get(CONTROLLER_REVISIONS, meta.name(new), meta.namespace(new))
        if meta.controlled_by(there, owner) and canonical(there.get("data")) == canonical(new["data"]):
            return there
        raise Collided

    async def clean_up(self, revisions: Iterable[Object], live: AnyOf[str], limit: int | None) -> None:
        for one in plan_cleanup(revisions, live, limit):
            try:
                gone = await self._client.delete(CONTROLLER_REVISIONS, meta.name(one), meta.namespace(one))
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
            else:
                await self._informer.seen(gone)

"""The ReplicaSets of a Deployment are its revisions: which is the new one, and how one is made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.hashing import hashed
from corral.cluster.controllers.common.objects import canonical, copied, counted, replicas
from corral.cluster.controllers.common.pods import annotation
from corral.cluster.controllers.deployment.sizes import Size, available

HASH = "pod-template-hash"
_OURS = "deployment.kubernetes.io/"
REVISION, HISTORY = f"{_OURS}revision", f"{_OURS}revision-history"
DESIRED, CEILING = f"{_OURS}desired-replicas", f"{_OURS}max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ROLLBACK = "deprecated.deployment.rollback.to"
_NOT_COPIED = frozenset((REVISION, HISTORY, DESIRED, CEILING, LAST_APPLIED, ROLLBACK))
LONGEST_HISTORY = 2000  # characters of the annotation


class Fleet(NamedTuple):
    """A Deployment's ReplicaSets: `new` has its template, if there is one yet."""

    new: Object | None
    old: list[Object]

    @property
    def all(self) -> list[Object]:
        return self.old if self.new is None else [*self.old, self.new]


def by_age(replica_set: Object) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp") or "", meta.name(replica_set)


def template_bytes(template: Object) -> bytes:
    """What two templates must have in common to be the same: all but the label with their hash."""
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    return canonical({**template, "metadata": {**metadata, "labels": labels}})


def fleet_of(deployment: Object, replica_sets: Iterable[Object]) -> Fleet:
    """Of several with the Deployment's template the oldest is the new one.

    >>> web = {"metadata": {"labels": {"app": "web"}}, "spec": {"x": 1}}
    >>> sets = [{"metadata": {"name": "a"}, "spec": {"template": {**web, "spec": {"x": 2}}}},
    ...         {"metadata": {"name": "b"}, "spec": {"template": web}}]
    >>> fleet = fleet_of({"spec": {"template": web}}, sets)
    >>> fleet.new["metadata"]["name"], [one["metadata"]["name"] for one in fleet.old]
    ('b', ['a'])
    """
    wanted = template_bytes(deployment["spec"]["template"])
    ordered = sorted(replica_sets, key=by_age)
    new = next((one for one in ordered if template_bytes(one["spec"].get("template") or {}) == wanted), None)
    return Fleet(new, [one for one in ordered if one is not new])


def revision(obj: Object) -> int:
    """
    >>> revision({"metadata": {"annotations": {REVISION: "3"}}}), revision({"metadata": {}})
    (3, 0)
    """
    text = annotation(obj, REVISION)
    return int(text) if text.isascii() and text.isdigit() else 0


def next_revision(old: Iterable[Object]) -> int:
    return max(map(revision, old), default=0) + 1


def new_annotations(deployment: Object, replica_set: Object, number: int) -> dict[str, str]:
    """The annotations of the new ReplicaSet: the Deployment's, the revision's number, and the numbers it had before.

    >>> deployment = {"metadata": {"annotations": {"note": "x", REVISION: "1"}}}
    >>> annotations = new_annotations(deployment, {"metadata": {"annotations": {REVISION: "1"}}}, 3)
    >>> sorted(value for value in annotations.items())
    [('deployment.kubernetes.io/revision', '3'), ('deployment.kubernetes.io/revision-history', '1'), ('note', 'x')]
    """
    found = dict(replica_set["metadata"].get("annotations") or {})
    given = deployment["metadata"].get("annotations") or {}
    found |= {key: value for key, value in given.items() if key not in _NOT_COPIED}
    had = revision(replica_set)
    if had < number:
        if had:
            found[HISTORY] = _history(found.get(HISTORY, ""), str(had))
        found[REVISION] = str(number)
    return found


def _history(text: str, more: str) -> str:
    """
    >>> _history("", "1"), _history("1,3", "5")
    ('1', '1,3,5')
    """
    parts = [*text.split(","), more] if text else [more]
    while len(",".join(parts)) > LONGEST_HISTORY:
        parts.pop(0)
    return ",".join(parts)


def size_annotations(wanted: int, ceiling: int) -> dict[str, str]:
    return {DESIRED: str(wanted), CEILING: str(ceiling)}


def template_hash(deployment: Object) -> str:
    """Of its template; another one after each collision of names."""
    collisions = (deployment.get("status") or {}).get("collisionCount")
    return hashed(deployment["spec"]["template"], collisions)


def new_replica_set(deployment: Object, reference: Object, size: int, number: int, ceiling: int) -> Object:
    """The ReplicaSet that a Deployment needs for its template, as revision `number`."""
    hash = template_hash(deployment)
    spec = deployment["spec"]
    template = copied(spec["template"])
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: hash}
    template["metadata"] = {**(template.get("metadata") or {}), "labels": labels}
    selector = copied(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: hash}
    annotations = new_annotations(deployment, {"metadata": {}}, number)
    annotations |= size_annotations(replicas(deployment), ceiling)
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta.name(deployment)}-{hash}",
            "namespace": meta.namespace(deployment),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [reference],
        },
        "spec": {
            "replicas": size,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": selector,
            "template": template,
        },
    }


def size_of(replica_set: Object, pods: Iterable[Object], now: datetime, fallback: int = 0) -> Size:
    """`pods`: those it owns. `fallback`: the ceiling, where no annotation tells."""
    text = annotation(replica_set, CEILING)
    ceiling = int(text) if text.isascii() and text.isdigit() else fallback
    created = replica_set["metadata"].get("creationTimestamp") or ""
    return Size(meta.name(replica_set), replicas(replica_set), available(replica_set, pods, now), created, ceiling)


def is_scaling(deployment: Object, replica_sets: Iterable[Object]) -> bool:
    """Whether the Deployment's size was changed since its ReplicaSets were sized."""
    wanted = str(replicas(deployment))
    return any(replicas(one) > 0 and annotation(one, DESIRED) not in ("", wanted) for one in replica_sets)


def plan_cleanup(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """Old ReplicaSets beyond the history's limit, the oldest revisions first; never one that has or had pods.

    >>> empty = lambda name, number: {"metadata": {"name": name, "annotations": {REVISION: str(number)}},
    ...                               "spec": {"replicas": 0}}
    >>> sets = [empty("c", 3), empty("a", 1), empty("b", 2)]
    >>> [one["metadata"]["name"] for one in plan_cleanup({"spec": {"revisionHistoryLimit": 1}}, sets)]
    ['a', 'b']
    """
    limit = deployment["spec"].get("revisionHistoryLimit")
    alive = sorted((one for one in old if not meta.deleting(one)), key=lambda one: (revision(one), by_age(one)))
    surplus = 0 if limit is None else max(0, len(alive) - int(limit))
    return [one for one in alive[:surplus] if _is_empty(one)]


def _is_empty(replica_set: Object) -> bool:
    status = replica_set.get("status") or {}
    current = counted(status, "observedGeneration") >= replica_set["metadata"].get("generation", 0)
    return current and replicas(replica_set) == 0 and counted(status, "replicas") == 0

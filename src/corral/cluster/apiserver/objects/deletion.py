"""What deleting an object does to it: it goes at once, or it is marked and waits for its finalizers or its grace.

Follows k8s.io/apiserver/pkg/registry/rest/delete.go and …/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from corral.cluster.apiserver.objects.metadata import FOREGROUND, ORPHAN
from corral.cluster.apiserver.objects.times import later, shifted, to_text
from corral.cluster.apiserver.options import DeleteOptions
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.status import StatusError, conflict

REMOVE: Final = "remove"
MARK: Final = "mark"
KEEP: Final = "keep"
Grace = Callable[[Object, int | None], int]


@dataclass(frozen=True, slots=True)
class Plan:
    """REMOVE: the object goes now. MARK: `object` is written. KEEP: nothing is done, it is being deleted already."""

    action: str
    object: Object


def pod_grace(pod: Object, asked: int | None) -> int:
    """Pure: how many seconds a pod gets: those asked for, else its own; none when no node runs it any more.

    >>> pod_grace({"spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30}}, None), pod_grace({"spec": {}}, 9)
    (30, 0)
    """
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        return 0
    seconds = asked if asked is not None else spec.get("terminationGracePeriodSeconds", 0)
    return seconds if seconds >= 0 else 1


GRACEFUL: Final[dict[tuple[str, str], Grace]] = {("", "pods"): pod_grace}
ORPHANED_BY_DEFAULT: Final = frozenset({("", "replicationcontrollers"), ("batch", "jobs")})
WITHOUT_DEPENDENTS: Final = frozenset({("", "events")})
# Of these a deletion answers with the object that went, of all others with a Status.
SHOWN_WHEN_GONE: Final = frozenset(
    {
        *(("", one) for one in ("persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "services")),
        *(("", one) for one in ("resourcequotas", "serviceaccounts")),
        *(("storage.k8s.io", one) for one in ("csidrivers", "csinodes", "storageclasses", "volumeattachments")),
        ("storage.k8s.io", "volumeattributesclasses"),
    }
)


def check_preconditions(obj: Object, options: DeleteOptions, gvk: GroupVersionKind) -> None:
    """Raises 409 if the object is another than the one that is meant."""
    metadata = obj["metadata"]
    name, uid, revision = metadata.get("name", ""), metadata.get("uid", ""), metadata.get("resourceVersion", "")
    if options.uid is not None and options.uid != uid:
        raise _mismatch(
            gvk,
            name,
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({uid}). The object might have been deleted and then recreated",
        )
    if options.resource_version is not None and options.resource_version != revision:
        raise _mismatch(
            gvk,
            name,
            f"the ResourceVersion in the precondition ({options.resource_version}) does not "
            f"match the ResourceVersion in record ({revision}). The object might have been modified",
        )


def _mismatch(gvk: GroupVersionKind, name: str, text: str) -> StatusError:
    return conflict(gvk.kind, name, text, gvk.group)


def plan_finalizers(finalizers: list[str], options: DeleteOptions, default_orphan: bool) -> list[str]:
    """Pure: the finalizers that the way of deletion asks for, in the place of what was there for it before.

    >>> plan_finalizers(["mine"], DeleteOptions(propagation="Foreground"), False)
    ['mine', 'foregroundDeletion']
    >>> plan_finalizers(["mine", "orphan"], DeleteOptions(propagation="Background"), False)
    ['mine']
    >>> plan_finalizers([], DeleteOptions(), True), plan_finalizers([], DeleteOptions(orphan=True), False)
    (['orphan'], ['orphan'])
    """
    orphan, foreground = default_orphan and FOREGROUND not in finalizers, False
    if options.orphan is not None:
        orphan = options.orphan
    elif options.propagation:
        orphan, foreground = options.propagation == "Orphan", options.propagation == "Foreground"
    else:
        orphan = orphan or ORPHAN in finalizers
        foreground = FOREGROUND in finalizers
    kept = [one for one in finalizers if one not in (ORPHAN, FOREGROUND)]
    kept += [ORPHAN] * orphan + [FOREGROUND] * foreground
    return finalizers if set(kept) == set(finalizers) else kept


def plan_deletion(obj: Object, options: DeleteOptions, key: tuple[str, str], now: datetime) -> Plan:
    """Pure: what becomes of an object. `key`: (group, plural) of its collection.

    >>> from datetime import UTC
    >>> now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    >>> plan_deletion({"metadata": {}}, DeleteOptions(), ("", "secrets"), now).action
    'remove'
    >>> plan = plan_deletion({"metadata": {"finalizers": ["x/y"]}}, DeleteOptions(), ("", "secrets"), now)
    >>> plan.action, plan.object["metadata"]["deletionTimestamp"]
    ('mark', '2026-01-02T03:04:05Z')
    """
    if key == ("", "namespaces"):
        return _plan_namespace(obj, options, now)
    if options.grace is not None and options.grace < 0:
        options = options.with_grace(1)
    metadata = dict(obj["metadata"])
    graceful = _graceful(obj, metadata, options, key, now)
    if graceful is None:
        return Plan(KEEP, obj)
    finalizers = list(metadata.get("finalizers") or ())
    if key not in WITHOUT_DEPENDENTS:
        finalizers = plan_finalizers(finalizers, options, key in ORPHANED_BY_DEFAULT)
    _set_finalizers(metadata, finalizers)
    if finalizers and not graceful:
        _mark(metadata, now)
    if finalizers or metadata.get("deletionGracePeriodSeconds"):
        marked = {**obj, "metadata": metadata}
        return Plan(MARK if marked != obj else KEEP, marked)
    return Plan(REMOVE, {**obj, "metadata": metadata})


def _set_finalizers(metadata: dict[str, Any], finalizers: list[str]) -> None:
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)


def _mark(metadata: dict[str, Any], now: datetime) -> None:
    """In place: being deleted, without a grace."""
    if "deletionGracePeriodSeconds" not in metadata and metadata.get("generation", 0) > 0:
        metadata["generation"] += 1
    present = metadata.get("deletionTimestamp")
    if not present or datetime.fromisoformat(present) > now:
        metadata["deletionTimestamp"] = to_text(now)
    metadata["deletionGracePeriodSeconds"] = 0


def _graceful(
    obj: Object, metadata: dict[str, Any], options: DeleteOptions, key: tuple[str, str], now: datetime
) -> bool | None:
    """In place: the grace of kinds that have one. None: a deletion is under way, and this does not hasten it."""
    grace = GRACEFUL.get(key)
    if grace is None:
        return False
    if metadata.get("deletionTimestamp"):
        before = metadata.get("deletionGracePeriodSeconds")
        if before is None:
            return False
        if options.grace is None or options.grace >= before:
            return None
        metadata["deletionTimestamp"] = shifted(metadata["deletionTimestamp"], options.grace - before)
        metadata["deletionGracePeriodSeconds"] = options.grace
        return True
    seconds = grace(obj, options.grace)
    metadata["deletionTimestamp"] = later(now, seconds)
    metadata["deletionGracePeriodSeconds"] = seconds
    if metadata.get("generation", 0) > 0:
        metadata["generation"] += 1
    return True


def _plan_namespace(obj: Object, options: DeleteOptions, now: datetime) -> Plan:
    """A namespace first turns Terminating; it goes when whoever empties it has taken its finalizer away."""
    metadata = dict(obj["metadata"])
    finalizers = plan_finalizers(list(metadata.get("finalizers") or ()), options, False)
    if not metadata.get("deletionTimestamp"):
        metadata["deletionTimestamp"] = to_text(now)
        _set_finalizers(metadata, finalizers)
        status = {**(obj.get("status") or {}), "phase": "Terminating"}
        return Plan(MARK, {**obj, "metadata": metadata, "status": status})
    if (obj.get("spec") or {}).get("finalizers"):
        return Plan(KEEP, obj)
    if finalizers:
        _set_finalizers(metadata, finalizers)
        marked = {**obj, "metadata": metadata}
        return Plan(MARK if marked != obj else KEEP, marked)
    return Plan(REMOVE, obj)


def is_over(obj: Object, key: tuple[str, str]) -> bool:
    """Pure: whether an update has taken away the last thing that kept a deleted object.

    >>> is_over({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["a"]}}, ("", "pods"))
    False
    """
    metadata = obj["metadata"]
    if metadata.get("finalizers") or not metadata.get("deletionTimestamp"):
        return False
    if key == ("", "namespaces") and (obj.get("spec") or {}).get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")

"""ResourceQuota: a namespace has only so much. What is asked for is counted against what is there, in one step.

Follows plugin/pkg/admission/resourcequota. What was let in, but is not stored yet, is remembered here, so that requests
side by side do not share the last of something.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from corral.cluster.apiserver.admission.plugin import Base, Object, refused
from corral.cluster.apiserver.admission.usage import (
    COUNTED,
    Usage,
    add,
    fits_scopes,
    kind_of_usage,
    matching,
    missing_of_pod,
    usage_of,
)
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.caching.caches import Caches
from corral.model.kubernetes.kinds.fields import part
from corral.model.kubernetes.quantity import of_json

RESERVED_SECONDS: Final = 30.0  # after which a write that never came no longer counts


class Reserved(NamedTuple):
    """What was let in: of an object that is not in the caches yet."""

    until: float
    group: str
    plural: str
    key: str
    object: Object


class Quotas(Base):
    def __init__(self, caches: Caches, clock: Callable[[], float] = time.monotonic) -> None:
        self._caches, self._clock = caches, clock
        self._reserved: dict[str, list[Reserved]] = {}

    async def validate(self, admission: Admission) -> None:
        """Raises 403. Comes last: who is let in here is written."""
        obj, resource = admission.object, admission.resource
        if obj is None or admission.subresource or not admission.namespace:
            return
        kind = kind_of_usage(resource.group, resource.plural)
        if admission.operation != "CREATE" and not (admission.operation == "UPDATE" and kind in COUNTED):
            return
        await self._caches.fresh()
        quotas = self._caches.list("", "resourcequotas", admission.namespace)
        if not quotas:
            return
        asked = usage_of(resource.group, resource.plural, obj)
        before = usage_of(resource.group, resource.plural, admission.old) if admission.old is not None else {}
        delta = {name: amount - before[name] if name in before else amount for name, amount in asked.items()}
        more = {name: amount for name, amount in delta.items() if amount.nanos > 0}
        for quota in quotas:
            if fits_scopes(quota, resource.plural, obj):
                self._check(admission, quota, more)
        if admission.old is None and not admission.dry_run:
            self._reserve(admission, obj)

    def _check(self, admission: Admission, quota: Object, more: Usage) -> None:
        hard = part(quota, "spec", "hard")
        name = quota["metadata"]["name"]
        is_new_pod = admission.resource.plural == "pods" and admission.old is None
        if is_new_pod and (missing := missing_of_pod(admission.object or {}, hard)):
            raise refused(admission, f"failed quota: {name}: must specify {missing}")
        wanted = matching(more, hard)
        if not wanted:
            return
        used = self._used(admission.namespace, quota, set(wanted))
        over = sorted(key for key, amount in wanted.items() if used.get(key, of_json(0)) + amount > of_json(hard[key]))
        if over:
            requested = ",".join(f"{key}={wanted[key]}" for key in over)
            present = ",".join(f"{key}={used.get(key, of_json(0))}" for key in over)
            limited = ",".join(f"{key}={of_json(hard[key])}" for key in over)
            text = f"exceeded quota: {name}, requested: {requested}, used: {present}, limited: {limited}"
            raise refused(admission, text)

    def _used(self, namespace: str, quota: Object, wanted: set[str]) -> Usage:
        """Counted anew each time: nothing can be out of date."""
        total: Usage = {}
        for group, plural in _resources(wanted):
            cache = self._caches.cache(group, plural)
            for one in self._caches.list(group, plural, namespace):
                if fits_scopes(quota, plural, one):
                    add(total, usage_of(group, plural, one))
            for held in self._alive(namespace):
                same = (held.group, held.plural) == (group, plural) and held.key not in cache.items
                if same and fits_scopes(quota, plural, held.object):
                    add(total, usage_of(group, plural, held.object))
        return {name: amount for name, amount in total.items() if name in wanted}

    def _alive(self, namespace: str) -> list[Reserved]:
        now = self._clock()
        held = self._reserved.get(namespace, [])
        kept = [
            one for one in held if one.until > now and one.key not in self._caches.cache(one.group, one.plural).items
        ]
        if kept:
            self._reserved[namespace] = kept
        else:
            self._reserved.pop(namespace, None)
        return kept

    def _reserve(self, admission: Admission, obj: Object) -> None:
        resource, until = admission.resource, self._clock() + RESERVED_SECONDS
        key = f"{admission.namespace}/{admission.name}"
        one = Reserved(until, resource.group, resource.plural, key, obj)
        self._reserved.setdefault(admission.namespace, []).append(one)


def _resources(wanted: set[str]) -> set[tuple[str, str]]:
    """Which objects the names of a quota are about.

    >>> sorted(_resources({"pods", "count/deployments.apps", "requests.storage"}))
    [('', 'persistentvolumeclaims'), ('', 'pods'), ('apps', 'deployments')]
    """
    found: set[tuple[str, str]] = set()
    for name in wanted:
        if name.startswith("count/"):
            plural, _, group = name.removeprefix("count/").partition(".")
            found.add((group, plural))
        elif name.startswith("services"):
            found.add(("", "services"))
        elif name in ("requests.storage", "persistentvolumeclaims") or ".storageclass.storage.k8s.io/" in name:
            found.add(("", "persistentvolumeclaims"))
        elif name in ("configmaps", "secrets", "replicationcontrollers", "resourcequotas"):
            found.add(("", name))
        else:
            found.add(("", "pods"))
    return found

"""ResourceQuota: a namespace has only so much. What is asked for is counted against what is there, in one step.

Follows plugin/pkg/admission/resourcequota. What was let in, but is not stored yet, is remembered here, so that requests
side by side do not share the last of something.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from corral.cluster.apiserver.admission.plugin import Base, Object, refused
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.client.times import Now, utc_now
from corral.model.kubernetes.kinds.fields import part
from corral.model.kubernetes.quantity import of_json
from corral.model.kubernetes.quota.pods import Amounts, add, plan_missing
from corral.model.kubernetes.quota.scopes import counts_in
from corral.model.kubernetes.quota.usage import resource_of, usage

UPDATED: Final = (("", "persistentvolumeclaims"), ("", "services"))  # of which an update may use more
RESERVED_SECONDS: Final = 30.0  # after which a write that never came no longer counts


class Reserved(NamedTuple):
    """What was let in: of an object that is not in the caches yet."""

    until: float
    group: str
    plural: str
    key: str
    object: Object


class Quotas(Base):
    def __init__(self, caches: Caches, clock: Callable[[], float] = time.monotonic, now: Now = utc_now) -> None:
        self._caches, self._clock, self._now = caches, clock, now
        self._reserved: dict[str, list[Reserved]] = {}

    async def validate(self, admission: Admission) -> None:
        """Raises 403. Comes last: who is let in here is written."""
        obj, resource = admission.object, admission.resource
        if obj is None or admission.subresource or not admission.namespace:
            return
        kind, now = (resource.group, resource.plural), self._now()
        if admission.operation != "CREATE" and not (admission.operation == "UPDATE" and kind in UPDATED):
            return
        await self._caches.fresh()
        quotas = self._caches.list("", "resourcequotas", admission.namespace)
        if not quotas:
            return
        asked = usage(*kind, obj, now)
        before = usage(*kind, admission.old, now) if admission.old is not None else {}
        delta = {name: amount - before[name] if name in before else amount for name, amount in asked.items()}
        more = {name: amount for name, amount in delta.items() if amount.nanos > 0}
        for quota in quotas:
            if counts_in(quota, *kind, obj):
                self._check(admission, quota, more)
        if admission.old is None and not admission.dry_run:
            self._reserve(admission, obj)

    def _check(self, admission: Admission, quota: Object, more: Amounts) -> None:
        hard = part(quota, "spec", "hard")
        name = quota["metadata"]["name"]
        is_new_pod = (admission.resource.group, admission.resource.plural) == ("", "pods") and admission.old is None
        if is_new_pod and (missing := plan_missing(admission.object or {}, hard)):
            raise refused(admission, f"failed quota: {name}: must specify {missing}")
        wanted = {key: amount for key, amount in more.items() if key in hard}
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

    def _used(self, namespace: str, quota: Object, wanted: set[str]) -> Amounts:
        """Counted anew each time: nothing can be out of date."""
        found: list[Amounts] = []
        for kind in {kind for name in wanted if (kind := resource_of(name)) is not None}:
            cache = self._caches.cache(*kind)
            held = [one for one in self._alive(namespace) if (one.group, one.plural) == kind]
            present = self._caches.list(*kind, namespace)
            for one in (*present, *(each.object for each in held if each.key not in cache.items)):
                if counts_in(quota, *kind, one):
                    found.append(usage(*kind, one, self._now()))
        return {name: amount for name, amount in add(found).items() if name in wanted}

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

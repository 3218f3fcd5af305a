"""The status of a ResourceQuota. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from corral.cluster.client.protocol import Object
from corral.model.kubernetes import quantity
from corral.model.kubernetes.quota.pods import add
from corral.model.kubernetes.quota.scopes import counts_in
from corral.model.kubernetes.quota.usage import resource_of, usage

Kind = tuple[str, str]


def kinds_of(quota: Object) -> set[Kind]:
    """Of which kinds (group, plural) the objects must be known.

    >>> sorted(kinds_of({"spec": {"hard": {"pods": "1", "limits.cpu": "2", "count/jobs.batch": "3"}}}))
    [('', 'pods'), ('batch', 'jobs')]
    """
    found = (resource_of(name) for name in quota["spec"].get("hard") or {})
    return {kind for kind in found if kind is not None}


def plan_status(quota: Object, objects: Mapping[Kind, Iterable[Object]], now: datetime) -> Object | None:
    """The quota with what the objects of its namespace use; None when it says so.

    >>> quota = {"spec": {"hard": {"services": "5"}}}
    >>> plan_status(quota, {("", "services"): [{"spec": {}}, {"spec": {}}]}, datetime.now())["status"]
    {'hard': {'services': '5'}, 'used': {'services': '2'}}
    """
    hard = quota["spec"].get("hard") or {}
    total = add(
        usage(*kind, obj, now) for kind, found in objects.items() for obj in found if counts_in(quota, *kind, obj)
    )
    used = {name: str(total.get(name, quantity.of(0))) for name in hard if resource_of(name) is not None}
    status = {"hard": hard, "used": used}
    return None if quota.get("status") == status else {**quota, "status": status}

"""Evicting a pod: deleting it, unless a PodDisruptionBudget says that its fellows are too few already.

Follows upstream's pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from corral.cluster.apiserver.caching.item import Object
from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.deleting import delete
from corral.cluster.apiserver.objects.times import to_text
from corral.cluster.apiserver.objects.updating import Update, update
from corral.cluster.apiserver.options import DeleteOptions, WriteOptions
from corral.model.kubernetes.selectors import BadSelector, of_object
from corral.model.kubernetes.status import StatusError, forbidden, too_many_requests

GROUP: Final = "policy"
PLURAL: Final = "poddisruptionbudgets"
REFUSED: Final = "Cannot evict pod as it would violate the pod's disruption budget."
MANY: Final = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
MOST_DISRUPTED: Final = 2000


async def evict(core: Core, caller: Caller, target: Target, options: DeleteOptions) -> None:
    """Raises StatusError: 404, 429 (not now), 500 (two budgets)."""
    pod = (await core.need(target)).object()
    budget = None if is_free(pod) else _budget_of(core, target, pod)
    if budget is not None and not may_ignore(pod, budget):
        await _charge(core, caller, target, budget, options)
    plain = Target(target.served, target.namespace, target.name)
    await delete(core, caller, plain, options, admitted=True)


def is_free(pod: Object) -> bool:
    """Pure: whether no budget counts the pod: it does not run, or is going already."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def may_ignore(pod: Object, budget: Object) -> bool:
    """Pure: whether a pod that is not ready may go whatever the budget says.

    >>> budget = {"spec": {}, "status": {"currentHealthy": 2, "desiredHealthy": 2}}
    >>> may_ignore({"status": {}}, budget)
    True
    """
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions):
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return bool(desired > 0 and healthy >= desired)


def _budget_of(core: Core, target: Target, pod: Object) -> Object | None:
    labels = pod["metadata"].get("labels") or {}
    found = []
    for budget in core.caches.list(GROUP, PLURAL, target.namespace):
        selector = (budget.get("spec") or {}).get("selector")
        try:
            if selector is not None and of_object(selector).matches(labels):
                found.append(budget)
        except BadSelector:
            continue
    if len(found) > 1:
        raise StatusError(500, "InternalError", MANY)
    return found[0] if found else None


async def _charge(core: Core, caller: Caller, target: Target, budget: Object, options: DeleteOptions) -> None:
    """Takes one disruption from the budget. 429 when it has none left."""
    name = budget["metadata"]["name"]
    served = core.registry.need(GROUP, "v1", PLURAL)
    where = Target(served, target.namespace, name, "status")

    def change(live: Object | None) -> Object:
        return charge(live or {}, target.name, core.now())

    await update(core, caller, where, Update(change, WriteOptions(dry_run=options.dry_run)))


def charge(budget: Object, pod: str, now: datetime) -> Object:
    """Pure: the budget after one more disruption. 403, 429.

    >>> budget = {"metadata": {"name": "b"}, "status": {"disruptionsAllowed": 1}}
    >>> charge(budget, "web", datetime(2026, 1, 2))["status"]["disruptionsAllowed"]
    0
    """
    metadata, status = budget["metadata"], dict(budget.get("status") or {})
    name, allowed = metadata["name"], status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        text = f"The disruption budget {name} is still being processed by the server."
        raise too_many_requests(REFUSED, 10, [{"reason": "DisruptionBudget", "message": text}])
    if allowed < 0:
        raise forbidden(PLURAL, name, "pdb disruptions allowed is negative", GROUP)
    disrupted = dict(status.get("disruptedPods") or {})
    if len(disrupted) > MOST_DISRUPTED:
        raise forbidden(
            PLURAL, name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller", GROUP
        )
    if allowed == 0:
        raise _exhausted(name, status)
    status["disruptionsAllowed"] = allowed - 1
    status["disruptedPods"] = {**disrupted, pod: to_text(now)}
    return {**budget, "status": status}


def _exhausted(name: str, status: dict[str, Any]) -> StatusError:
    desired, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    text = f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
    error = too_many_requests(REFUSED, 0, [{"reason": "DisruptionBudget", "message": text}])
    error.details.pop("retryAfterSeconds", None)
    return error

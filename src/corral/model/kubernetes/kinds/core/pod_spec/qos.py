"""Which pods go first when a node runs out: their class of service. Pure. Follows pkg/apis/core/helper/qos."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core.resources import read
from corral.model.kubernetes.kinds.fields import objects, part
from corral.model.kubernetes.quantity import Quantity

_COUNTED = ("cpu", "memory")


def qos_class(spec: Object) -> str:
    """
    >>> qos_class({"containers": [{}]}), qos_class({"containers": [{"resources": {"requests": {"cpu": "1"}}}]})
    ('BestEffort', 'Burstable')
    """
    whole = part(spec, "resources")
    found = [whole] if part(whole, "limits") or part(whole, "requests") else _of_containers(spec)
    if not any(_amounts(one, which) for one in found for which in ("requests", "limits")):
        return "BestEffort"
    guaranteed = all(
        _amounts(one, "limits").keys() == set(_COUNTED) and _amounts(one, "limits") == _amounts(one, "requests")
        for one in found
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _of_containers(spec: Object) -> list[Object]:
    return [part(one, "resources") for kind in ("containers", "initContainers") for one in objects(spec, kind)]


def _amounts(found: Object, which: str) -> dict[str, Quantity]:
    amounts = ((name, read(part(found, which).get(name))) for name in _COUNTED)
    return {name: amount for name, amount in amounts if amount}

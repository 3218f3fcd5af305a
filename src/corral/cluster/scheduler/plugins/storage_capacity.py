"""Which nodes a CSI driver still has room for: what its provisioner has published as CSIStorageCapacity. Pure.

Follows volumebinding/binder.go (hasEnoughCapacity).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from corral.cluster.scheduler.plugins import node_affinity
from corral.cluster.scheduler.pods import terms
from corral.cluster.scheduler.snapshot.arrays import Mask
from corral.cluster.scheduler.snapshot.nodes import Nodes
from corral.cluster.scheduler.storage.storage import Storage
from corral.model.kubernetes import quantity
from corral.model.kubernetes.volumes import asked

Object = dict[str, Any]


def with_room(claim: Object, storage: Storage, nodes: Nodes) -> Mask | None:
    """The rows at which a volume for the claim can be made; None where its driver does not ask to be watched."""
    kind = storage.class_of(claim)
    driver = storage.drivers.get(kind.get("provisioner", "")) if kind else None
    if kind is None or driver is None or not (driver.get("spec") or {}).get("storageCapacity"):
        return None
    wanted = asked(claim)
    found = np.zeros(nodes.rows, np.bool_)
    for one in storage.capacities.values():
        if one.get("storageClassName") == kind["metadata"]["name"] and is_enough(one, wanted):
            found |= _near(one, nodes)
    return found


def is_enough(one: Object, wanted: quantity.Quantity) -> bool:
    """`maximumVolumeSize` is more exact than `capacity`; without either nothing is known to be there.

    >>> is_enough({"capacity": "10Gi", "maximumVolumeSize": "1Gi"}, quantity.of_json("2Gi")), is_enough({}, 0)
    (False, False)
    >>> is_enough({"capacity": "10Gi"}, quantity.of_json("2Gi"))
    True
    """
    limit = one.get("maximumVolumeSize") or one.get("capacity")
    return limit is not None and quantity.of_json(limit) >= wanted


def _near(one: Object, nodes: Nodes) -> Mask:
    """The rows from which that storage is reached: none without a topology, all with an empty one."""
    topology = one.get("nodeTopology")
    if topology is None:
        return np.zeros(nodes.rows, np.bool_)
    rules = [
        {"key": key, "operator": "In", "values": [value]} for key, value in (topology.get("matchLabels") or {}).items()
    ]
    rules += topology.get("matchExpressions") or ()
    if not rules:
        return np.ones(nodes.rows, np.bool_)
    return node_affinity.any_of(nodes, [terms.node_term({"matchExpressions": rules})])

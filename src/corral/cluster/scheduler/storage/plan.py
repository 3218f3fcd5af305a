"""What a pod's claims still need once its node is known."""

from __future__ import annotations

from typing import Any, NamedTuple

Object = dict[str, Any]


class VolumePlan(NamedTuple):
    """What must be written before the pod may go to its node."""

    bind: list[tuple[Object, Object]]  # (claim, volume)
    provision: list[Object]  # claims for which a volume is made at the node

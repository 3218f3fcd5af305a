"""Which kind a volume is, and whether this node offers it. Pure."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.kubelet.errors import NotMounted

Object = dict[str, Any]

FROM_API: Final = ("configMap", "secret", "downwardAPI", "projected")
CLAIMED: Final = ("persistentVolumeClaim", "ephemeral")
OFFERED: Final = ("emptyDir", "hostPath", "image", "nfs", *FROM_API, *CLAIMED)


def kind_of(volume: Object) -> str:
    """NotMounted names one that is not offered. One that says nothing is an empty directory.

    >>> kind_of({"name": "v", "secret": {}}), kind_of({"name": "v"})
    ('secret', 'emptyDir')
    >>> kind_of({"name": "v", "iscsi": {}})
    Traceback (most recent call last):
    corral.cluster.kubelet.errors.NotMounted: volumes of kind iscsi are not offered by this node
    """
    kinds = [key for key in volume if key != "name"]
    if not kinds:
        return "emptyDir"
    found = next((kind for kind in kinds if kind in OFFERED), "")
    if not found:
        raise NotMounted(f"volumes of kind {kinds[0]} are not offered by this node")
    return found

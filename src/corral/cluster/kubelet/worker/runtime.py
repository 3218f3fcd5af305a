"""Which OCI runtime a pod's containers get: the one that its RuntimeClass names."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.client.protocol import Collection
from corral.cluster.kubelet.shared import Shared
from corral.errors import NotFound
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

CLASSES: Final = Collection("node.k8s.io", "v1", "runtimeclasses")


async def find_runtime(shared: Shared, pod: Object) -> str:
    """The runtime, "" for the engine's own choice. NotFound for a class that is not there or not offered here."""
    name = pod["spec"].get("runtimeClassName")
    if not name:
        return ""
    try:
        found = await shared.client.get(CLASSES, name)
    except StatusError as error:
        if error.reason == "NotFound":
            raise NotFound(f'RuntimeClass "{name}" not found') from error
        raise
    handler = str(found.get("handler") or "")
    if handler not in shared.engine.host.runtimes:
        raise NotFound(f'no runtime for "{handler}" is configured')
    return handler

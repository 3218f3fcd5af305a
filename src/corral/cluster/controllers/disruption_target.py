"""How a controller deletes a pod that it did not make: it says why, for those who count failures (Jobs)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS
from corral.cluster.client.protocol import Client, Object
from corral.cluster.controllers.conditions import put
from corral.model.kubernetes.status import StatusError


def disrupted(pod: Object, reason: str, message: str, moment: str, phase: str = "") -> Object:
    """Pure: the pod with the condition DisruptionTarget, and perhaps in another phase.

    >>> found = disrupted({"status": {"phase": "Running"}}, "Why", "text", "now", phase="Failed")
    >>> found["status"]["phase"], found["status"]["conditions"][0]["type"]
    ('Failed', 'DisruptionTarget')
    """
    status = pod.get("status") or {}
    wanted = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    changed = {**status, "conditions": put(status.get("conditions"), wanted, moment)}
    return {**pod, "status": {**changed, "phase": phase} if phase else changed}


async def delete_disrupted(
    client: Client,
    pod: Object,
    reason: str,
    message: str,
    moment: str,
    *,
    phase: str = "",
    options: Mapping[str, Any] | None = None,
) -> None:
    """Writes the condition, then deletes the pod. One that is gone is as well. StatusError."""
    meant = {**(options or {}), "preconditions": {"uid": meta.uid(pod)}}
    try:
        await client.update(PODS, disrupted(pod, reason, message, moment, phase), subresource="status")
        await client.delete(PODS, meta.name(pod), meta.namespace(pod), options=meant)
    except StatusError as error:
        if error.code != 404:
            raise

"""Writing a pod's status, whoever else has changed the pod meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corral.cluster.client.builtin import PODS
from corral.cluster.client.protocol import Client
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]


async def write_status(client: Client, pod: Object, plan: Callable[[Object], Object]) -> Object | None:
    """`plan` gives the status for a pod. The pod as it is then; None where it is gone, or another of its name there.

    Nothing is written where nothing differs.
    """
    meta = pod["metadata"]
    while True:
        status = plan(pod)
        if status == (pod.get("status") or {}):
            return pod
        try:
            return await client.update(PODS, {**pod, "status": status}, subresource="status")
        except StatusError as error:
            if error.reason == "NotFound":
                return None
            if error.reason != "Conflict":
                raise
        try:
            pod = await client.get(PODS, meta["name"], meta["namespace"])
        except StatusError as error:
            if error.reason == "NotFound":
                return None
            raise
        if pod["metadata"]["uid"] != meta["uid"]:
            return None

"""This machine as a node of its own cluster: the kubelet as a part of the daemon.

Its code is loaded here and nowhere else, so a daemon that serves no Kubernetes pays nothing for it.
"""

from __future__ import annotations

import logging
import re
import socket
import time
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from corral.cli.instance import Instance
from corral.engine.engine import Engine
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.kubelet.volumes.tokens import Issue

log = logging.getLogger("corral.daemon")


def plan_node_name(hostname: str) -> str:
    """Pure: a host's name as a node's: small letters, digits, dashes and dots.

    >>> plan_node_name("My_Box.example.org"), plan_node_name("---")
    ('my-box.example.org', 'node')
    """
    return re.sub(r"[^a-z0-9.-]", "-", hostname.lower()).strip("-.")[:63] or "node"


async def add_kubelet(stack: AsyncExitStack, engine: Engine, api: Kubernetes, instance: Instance) -> None:
    """Runs the pods that are bound to this machine until `stack` ends; they go on after that."""
    from corral.cluster.apiserver.attributes import User
    from corral.cluster.kubelet.kubelet import Kubelet
    from corral.cluster.kubelet.settings import Settings

    name = plan_node_name(socket.gethostname())
    settings = Settings(root=f"{instance.root}/kubelet", run=f"{instance.volatile}/kubelet")
    user = User(f"system:node:{name}", groups=("system:nodes", "system:authenticated"))
    kubelet = Kubelet(engine, api.client(user, "kubelet"), name, settings, issue=issue_with(api))
    tasks = Tasks()
    stack.push_async_callback(kubelet.close)
    stack.push_async_callback(tasks.close)
    tasks.start("kubelet", kubelet.run())


def issue_with(api: Kubernetes) -> Issue:
    """Tokens of service accounts from the server in this process."""
    from corral.cluster.apiserver.authentication.token_request import issue

    async def ask(namespace: str, account: str, request: dict[str, Any]) -> dict[str, Any]:
        await api.caches.fresh()
        made = issue(request, namespace, account, api.caches, api.issuer, int(time.time()), str(uuid.uuid4()))
        return made.object

    return ask

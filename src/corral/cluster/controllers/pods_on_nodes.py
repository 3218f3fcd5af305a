"""Pods by the node they are on."""

from __future__ import annotations

from typing import Final

from corral.cluster.client.informer import Informer

BY_NODE: Final = "node"


def index_by_node(pods: Informer) -> None:
    """From now on `pods.indexed(BY_NODE, name)` gives a node's pods."""
    pods.add_index(BY_NODE, lambda pod: [name] if (name := pod["spec"].get("nodeName")) else [])

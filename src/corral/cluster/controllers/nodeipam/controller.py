"""Gives nodes their podCIDR. One key: a node.

One worker, which waits until it sees its own write: no range is given twice. Another process' writes are kept out by
leader election.
"""

from __future__ import annotations

from collections.abc import Sequence

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.nodeipam.allocate import Pool, Ranges, cidrs_of
from corral.cluster.controllers.shared import Shared


class NodeIpam(Controller):
    """A range is free again when its node is gone, and then the nodes that had none are looked at."""

    name = "node-ipam-controller"
    workers = 1

    def __init__(self, shared: Shared, pools: Sequence[Pool]) -> None:
        self._client, self._ranges = shared.client, [Ranges(one) for one in pools]
        self._events = shared.events.recorder("cidrAllocator")
        self._nodes = shared.informers.of(NODES)
        super().__init__([self._nodes])
        self._nodes.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        for node, act in ((new, Ranges.take), (old, Ranges.release)):
            for cidr in cidrs_of(node) if node is not None else ():
                for ranges in self._ranges:
                    act(ranges, cidr)
        if new is not None:
            if not cidrs_of(new):
                self.queue.add(meta.name(new))
            return
        for node in self._nodes.all():
            if not cidrs_of(node):
                self.queue.add(meta.name(node))

    async def reconcile(self, key: str) -> float | None:
        node = self._nodes.get(key)
        if node is None or cidrs_of(node) or meta.deleting(node):
            return None
        found = [ranges.next_free() for ranges in self._ranges]
        wanted = [one for one in found if one is not None]
        if len(wanted) < len(found):
            self._events.normal(node, "CIDRNotAvailable", f"Node {key} status is now: CIDRNotAvailable")
            return None
        version = {"resourceVersion": node["metadata"]["resourceVersion"]}
        patch = {"metadata": version, "spec": {"podCIDR": wanted[0], "podCIDRs": wanted}}
        await self._nodes.seen(await self._client.patch(NODES, key, patch=patch))
        return None

"""Neighbours: the kubelets of other nodes, which know when their proxies lead nobody to a pod of this node any more.

A pod that ends is taken out of the rules of every node, but not of all of them at once. Who is led to it by a node that
is late would find a door that has just been shut: over three nodes a plain rollout lost some requests of ten thousand.
A pause of fixed length would be wrong on a busy machine, and word through the API a write by each node for each pod; so
each is asked, over connections that are kept, and says at short intervals that it still leads there, as long as it
does: a busy node is waited for. One that says nothing is asked again while it is said to be well: its daemon may be
starting anew, while its rules stand as they were. So a node that has just died holds up each ending until it is
NotReady, by the seconds that it may be silent.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

from corral.cluster.client.https.wire import Place, Wire
from corral.cluster.kubelet.barrier import Leaving
from corral.errors import HostError
from corral.kit.timeouts import fair_timeout

log = logging.getLogger("corral.kubelet")

Object = dict[str, Any]

AGAIN: Final = 0.05  # seconds
LEADS: Final = 503  # the answer of a node whose rules still lead there


def plan_places(nodes: Iterable[Object], own: str) -> list[Place]:
    """Pure: where the kubelets of the other nodes are that are well.

    >>> def node(name, ready):
    ...     addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": "10.0.0.7"}]
    ...     return {"metadata": {"name": name}, "status": {"addresses": addresses,
    ...             "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    ...             "conditions": [{"type": "Ready", "status": ready}]}}
    >>> plan_places([node("a", "True"), node("b", "True"), node("c", "Unknown")], "a")
    [Place(host='10.0.0.7', port=10250, server_name='b')]
    """
    found = []
    for node in nodes:
        name, status = node["metadata"]["name"], node.get("status") or {}
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or 0
        address = next((one["address"] for one in status.get("addresses") or () if one["type"] == "InternalIP"), "")
        well = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
        if name != own and port and address and well:
            found.append(Place(address, port, name))
    return found


class Neighbours:
    """`nodes` are those of the cluster as they are known now; `context` makes one that shows this node's certificate.
    `close` it at the end."""

    def __init__(self, nodes: Callable[[], Iterable[Object]], own: str, context: Callable[[], ssl.SSLContext]) -> None:
        self._nodes, self._own, self._context = nodes, own, context
        self._wires: dict[Place, Wire] = {}

    async def gone(self, leaving: Leaving, silence: float) -> None:
        """Returns when no other node's proxy leads new connections to that pod, as far as they can be asked: not one
        that says nothing for so many seconds."""
        places = plan_places(self._nodes(), self._own)
        self._forget(set(self._wires) - set(places))
        await asyncio.gather(*(self._until_gone(place, leaving, silence) for place in places))

    async def _until_gone(self, place: Place, leaving: Leaving, silence: float) -> None:
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while place in plan_places(self._nodes(), self._own):
            try:
                async with fair_timeout(heard + silence - loop.time()):
                    said = await self._ask(place, leaving)
            except TimeoutError:
                log.warning("node %s: silent for %g s, may still lead to %s", *(place.server_name, silence, leaving[0]))
                return
            if said == LEADS:
                heard = loop.time()
            elif said is not None:
                return
            else:
                await asyncio.sleep(AGAIN)

    async def _ask(self, place: Place, leaving: Leaving) -> int | None:
        """The status that it answers with; 0: nothing that can be understood, None: nobody was there."""
        status: int | None = 0
        try:
            wire = self._wires.get(place)
            if wire is None:
                wire = self._wires[place] = Wire(place, self._context())
            answer = await wire.ask("GET", f"/gone/{leaving.address}/{leaving.uid}", {})
            status, failure = answer.status, ""
            if status not in (200, LEADS):
                failure = f"{status} {answer.body.decode(errors='replace').strip()}"
        except (OSError, ValueError, HostError) as error:
            status, failure = None if isinstance(error, OSError) else 0, str(error) or type(error).__name__
        if failure:
            log.info("node %s does not say whether it leads to %s: %s", place.server_name, leaving.address, failure)
            self._forget({place} & set(self._wires))  # the next one shows the certificate as it is then
        return status

    def _forget(self, places: Iterable[Place]) -> None:
        for place in places:
            self._wires.pop(place).close()

    def close(self) -> None:
        self._forget(list(self._wires))

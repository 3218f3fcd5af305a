"""Whether this node has room for a pod that is bound to it. Pure.

The scheduler has looked before it chose the node, but whoever names the node in the pod itself goes round it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from corral.cluster.kubelet.errors import NotAdmitted
from corral.cluster.kubelet.pods import members

Object = dict[str, Any]

ANY: Final = ("", "0.0.0.0")
NO_FREE_PORT: Final = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"


class HostPort(NamedTuple):
    address: str
    protocol: str
    number: int


def check_ports(pod: Object, others: Iterable[Object]) -> None:
    """NotAdmitted where one of the `others` has a port of the host that the pod wants, too.

    >>> def pod(port, **more):
    ...     return {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "hostPort": port, **more}]}]}}
    >>> check_ports(pod(80), [pod(81), pod(80, protocol="UDP")])
    >>> check_ports(pod(80, hostIP="10.0.0.1"), [pod(80, hostIP="10.0.0.2")])
    >>> check_ports(pod(80, hostIP="10.0.0.1"), [pod(80)])
    Traceback (most recent call last):
    corral.cluster.kubelet.errors.NotAdmitted: Predicate NodePorts failed: node(s) didn't have free ports for the \
requested pod ports
    """
    wanted = host_ports(pod)
    if not wanted:
        return
    taken = [port for other in others for port in host_ports(other)]
    if any(collide(one, other) for one in wanted for other in taken):
        raise NotAdmitted("NodePorts", NO_FREE_PORT)


def host_ports(pod: Object) -> list[HostPort]:
    """Those of containers and sidecars; other init containers have gone before.

    >>> host_ports({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}, {"hostPort": 81}]}]}})
    [HostPort(address='', protocol='TCP', number=81)]
    """
    return [
        HostPort(port.get("hostIP") or "", port.get("protocol") or "TCP", int(port["hostPort"]))
        for member in members(pod)
        if member.kind in ("main", "sidecar")
        for port in member.spec.get("ports") or ()
        if port.get("hostPort")
    ]


def collide(one: HostPort, other: HostPort) -> bool:
    """
    >>> collide(HostPort("0.0.0.0", "TCP", 80), HostPort("10.0.0.1", "TCP", 80))
    True
    """
    if (one.protocol, one.number) != (other.protocol, other.number):
        return False
    return one.address in ANY or other.address in ANY or one.address == other.address

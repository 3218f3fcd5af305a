"""What a NetworkPolicy says, read once: whom it isolates, and each of its rules as peers and ports. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from corral.cluster.proxy.services import PROTOCOLS
from corral.model.kubernetes.selectors import Selector, of_object

Object = dict[str, Any]
Network = IPv4Network | IPv6Network

IN, OUT = "in", "out"
LAST_PORT = 65535


@dataclass(frozen=True)
class PodFacts:
    """What policies ask of a pod. `ports`: name and protocol of those that have names -> number. `moved`: see Named."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]
    ports: tuple[tuple[tuple[str, int], int], ...] = ()
    local: bool = False
    moved: tuple[tuple[int, int], ...] = ()

    @cached_property
    def label_map(self) -> dict[str, str]:
        return dict(self.labels)

    @cached_property
    def port_map(self) -> dict[tuple[str, int], int]:
        return dict(self.ports)


def pod_facts(pod: Object, node: str) -> PodFacts | None:
    """None for a pod that has no address of its own: not yet, no more, or because it uses the node's.

    >>> status = {"phase": "Running", "podIP": "10.1.0.2"}
    >>> pod = {"metadata": {"namespace": "a", "labels": {"app": "x"}}, "spec": {"nodeName": "n1"}, "status": status}
    >>> pod_facts(pod, "n1")
    PodFacts(namespace='a', labels=(('app', 'x'),), addresses=('10.1.0.2',), ports=(), local=True, moved=())
    """
    spec, status = pod["spec"], pod.get("status") or {}
    addresses = [one["ip"] for one in status.get("podIPs") or ()] or [status.get("podIP") or ""]
    if spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed") or not any(addresses):
        return None
    restarted = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    ports = [p for c in [*(spec.get("containers") or ()), *restarted] for p in c.get("ports") or () if p.get("name")]
    return PodFacts(
        pod["metadata"]["namespace"],
        tuple(sorted((pod["metadata"].get("labels") or {}).items())),
        tuple(addresses),
        tuple(((p["name"], PROTOCOLS[p.get("protocol", "TCP")]), p["containerPort"]) for p in ports),
        spec.get("nodeName") == node,
    )


@dataclass(frozen=True)
class Port:
    """`name` where the number is each pod's own; `protocol` 0 with all numbers is every protocol."""

    protocol: int = 0
    low: int = 0
    high: int = LAST_PORT
    name: str = ""


EVERY_PORT = (Port(),)


@dataclass(frozen=True)
class Rule:
    """One entry of `ingress` or `egress`. `peers` None: everybody. Its content is its identity."""

    namespace: str
    peers: str | None  # as JSON, so that rules can be compared
    ports: tuple[Port, ...]

    @cached_property
    def parsed_peers(self) -> list[Peer] | None:
        return None if self.peers is None else [parse_peer(one) for one in json.loads(self.peers)]

    @cached_property
    def name(self) -> str:
        """What its sets are called by."""
        said = json.dumps([self.namespace, self.peers, [[p.protocol, p.low, p.high, p.name] for p in self.ports]])
        return "r" + hashlib.sha256(said.encode()).hexdigest()[:12]

    def for_pod(self, pod: PodFacts) -> Rule:
        """The rule with names of ports replaced by what they are in this pod; those that it has not are left out."""
        if not any(port.name for port in self.ports):
            return self
        return Rule(self.namespace, self.peers, resolve(self.ports, pod))


def resolve(ports: Sequence[Port], pod: PodFacts) -> tuple[Port, ...]:
    """
    >>> pod = PodFacts("a", (), (), ((("web", 6), 8080),))
    >>> resolve([Port(6, name="web"), Port(17, name="web"), Port(6, 1, 2)], pod)
    (Port(protocol=6, low=8080, high=8080, name=''), Port(protocol=6, low=1, high=2, name=''))
    >>> resolve([Port(17, 53, 53)], PodFacts("a", (), (), moved=((53, 5353),)))[1:]
    (Port(protocol=17, low=5353, high=5353, name=''),)
    """
    found = []
    for port in ports:
        number = pod.port_map.get((port.name, port.protocol)) if port.name else None
        if number is not None:
            found.append(Port(port.protocol, number, number))
        elif not port.name:
            found.append(port)
            found += [Port(port.protocol, to, to) for meant, to in pod.moved if port.low <= meant <= port.high]
    return tuple(found)


@dataclass(frozen=True)
class Peer:
    """A block of addresses, or pods: of the namespaces that `namespaces` selects, without it of the policy's own."""

    networks: tuple[Network, ...] = ()
    pods: Selector | None = None
    namespaces: Selector | None = None
    is_block: bool = False


def parse_peer(peer: Object) -> Peer:
    """
    >>> peer = parse_peer({"ipBlock": {"cidr": "10.0.0.0/30", "except": ["10.0.0.0/31"]}})
    >>> [str(network) for network in peer.networks]
    ['10.0.0.2/31']
    """
    block = peer.get("ipBlock")
    if block is not None:
        return Peer(tuple(_without(block["cidr"], block.get("except") or ())), is_block=True)
    pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
    return Peer(
        pods=None if pods is None else of_object(pods), namespaces=None if namespaces is None else of_object(namespaces)
    )


def _without(cidr: str, exceptions: Sequence[str]) -> list[Network]:
    left: list[Any] = [ip_network(cidr, strict=False)]
    for text in exceptions:
        hole: Any = ip_network(text, strict=False)
        pieces: list[Any] = []
        for one in left:
            if one.version == hole.version and hole.subnet_of(one):
                pieces += one.address_exclude(hole)
            elif one.version != hole.version or not one.subnet_of(hole):
                pieces.append(one)
        left = pieces
    return sorted(collapse_addresses(left))


@dataclass(frozen=True)
class Policy:
    """`ingress` None: pods are not isolated that way."""

    namespace: str
    selector: Selector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    def rules(self, way: str) -> tuple[Rule, ...] | None:
        return self.ingress if way == IN else self.egress


def parse_policy(policy: Object) -> Policy:
    """
    >>> spec = {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}
    >>> policy = parse_policy({"metadata": {"namespace": "a"}, "spec": spec})
    >>> policy.ingress[0].ports, policy.ingress[0].peers, policy.egress
    ((Port(protocol=6, low=80, high=80, name=''),), None, None)
    """
    spec, namespace = policy["spec"], policy["metadata"]["namespace"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    ingress, egress = (
        tuple(_rule(namespace, rule, who) for rule in spec.get(way) or ()) if word in types else None
        for word, way, who in (("Ingress", "ingress", "from"), ("Egress", "egress", "to"))
    )
    return Policy(namespace, of_object(spec.get("podSelector") or {}), ingress, egress)


def _rule(namespace: str, rule: Object, who: str) -> Rule:
    peers = rule.get(who) or None
    ports = tuple(_port(one) for one in rule.get("ports") or ()) or EVERY_PORT
    return Rule(namespace, None if peers is None else json.dumps(peers, sort_keys=True), ports)


def _port(port: Object) -> Port:
    protocol, number = PROTOCOLS[port.get("protocol") or "TCP"], port.get("port")
    if number is None:
        return Port(protocol)
    if isinstance(number, str):
        return Port(protocol, name=number)
    return Port(protocol, number, port.get("endPort") or number)

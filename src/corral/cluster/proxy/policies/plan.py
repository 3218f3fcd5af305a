"""Which sets, chains and entries the policies of a cluster come to on one node. Pure.

A rule is four sets: of its pods and of its blocks, in both families. Pods that the same rules hold for share a chain,
which asks these sets one after the other and drops the rest. So a pod that comes or goes is an entry of some sets;
chains change only when policies do. Sets and chains are named by what they say: equal ones are one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import collapse_addresses, ip_address, ip_network
from typing import Any

from corral.cluster.proxy.ledger import Place
from corral.cluster.proxy.policies.rules import IN, LAST_PORT, OUT, Network, Peer, PodFacts, Policy, Port, Rule, resolve
from corral.model.kubernetes.selectors import Selector

_EVERYBODY: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True)
class Policing:
    """`sets`: name -> family; `chains`: name -> rules; `elements`: what sets hold, and which pod has which chain."""

    sets: Mapping[str, int] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elements: Mapping[Place, str] = field(default_factory=dict)


def plan_policing(
    policies: Sequence[Policy], pods: Sequence[PodFacts], namespaces: Mapping[str, Mapping[str, str]]
) -> Policing:
    """`namespaces`: name -> labels.

    >>> from corral.cluster.proxy.policies.rules import parse_policy
    >>> policy = parse_policy({"metadata": {"namespace": "a"}, "spec": {"podSelector": {}}})
    >>> pod = PodFacts("a", (), ("10.1.0.2",), local=True)
    >>> policing = plan_policing([policy], [pod], {"a": {}})
    >>> [rules for rules in policing.chains.values()], [place for place in policing.elements]
    ([('drop',)], [('isolated_in4', '10.1.0.2')])
    """
    crowd = _Crowd(pods, namespaces)
    by_namespace: dict[str, list[Policy]] = {}
    for policy in policies:
        by_namespace.setdefault(policy.namespace, []).append(policy)
    sets: dict[str, int] = {}
    chains: dict[str, tuple[str, ...]] = {}
    elements: dict[Place, str] = {}
    used: dict[str, tuple[str, Rule]] = {}
    for pod in pods:
        mine = (
            [p for p in by_namespace.get(pod.namespace, ()) if p.selector.matches(pod.label_map)] if pod.local else []
        )
        for way in (IN, OUT):
            rules = plan_rules(mine, way, pod)
            if rules is None:
                continue
            names = [f"{way}_{rule.name}" for rule in rules]
            used.update(zip(names, ((way, rule) for rule in rules), strict=True))
            chain = f"{way}_{hashlib.sha256(' '.join(names).encode()).hexdigest()[:12]}"
            chains[chain] = _chain(names, way)
            for address in pod.addresses:
                elements[(f"isolated_{way}{ip_address(address).version}", address)] = f"jump {chain}"
    for name, (_, rule) in used.items():
        sets |= {f"{name}_{kind}{v}": v for kind in ("pods", "nets") for v in (4, 6)}
        elements |= {place: "" for place in plan_rule_elements(name, rule, crowd)}
    return Policing(sets, chains, elements)


def plan_rules(policies: Iterable[Policy], way: str, pod: PodFacts) -> list[Rule] | None:
    """The rules that hold for a pod that these policies select, None when none of them isolates it that way."""
    said = [rules for policy in policies if (rules := policy.rules(way)) is not None]
    if not said:
        return None
    each = {rule.for_pod(pod) if way == IN else rule for rules in said for rule in rules}
    return sorted((rule for rule in each if rule.ports), key=lambda rule: rule.name)


def _chain(names: Iterable[str], way: str) -> tuple[str, ...]:
    """The other end is who sends to the pod, or to whom it sends."""
    end = "saddr" if way == IN else "daddr"
    return (
        *(
            f"{word} {end} . meta l4proto . th dport @{name}_{kind}{v} return"
            for name in names
            for kind in ("pods", "nets")
            for v, word in ((4, "ip"), (6, "ip6"))
        ),
        "drop",
    )


class _Crowd:
    """The pods, to be found by namespace; which namespaces a selector means is asked once."""

    def __init__(self, pods: Iterable[PodFacts], namespaces: Mapping[str, Mapping[str, str]]) -> None:
        self._pods: dict[str, list[PodFacts]] = {}
        for pod in pods:
            self._pods.setdefault(pod.namespace, []).append(pod)
        self._namespaces = namespaces
        self.everybody = [pod for some in self._pods.values() for pod in some]

    def members(self, peer: Peer, own: str) -> list[PodFacts]:
        places = [own] if peer.namespaces is None else self._meant(peer.namespaces)
        found = (pod for place in places for pod in self._pods.get(place, ()))
        return [pod for pod in found if peer.pods is None or peer.pods.matches(pod.label_map)]

    def _meant(self, selector: Selector) -> list[str]:
        return [name for name, labels in self._namespaces.items() if selector.matches(labels)]


def plan_rule_elements(name: str, rule: Rule, crowd: Any) -> list[Place]:
    """The entries of a rule's sets. No two of one set overlap: the kernel would not take them."""
    peers = rule.parsed_peers
    blocks = [n for peer in peers for n in peer.networks] if peers is not None else _EVERYBODY
    chosen = [peer for peer in peers or () if not peer.is_block]
    members = {pod: rule.ports for peer in chosen for pod in crowd.members(peer, rule.namespace)}
    if named := tuple(port for port in rule.ports if port.name):  # blocks have no names for ports, but pods in them do
        members |= {pod: named for pod in crowd.everybody if pod not in members and _within(pod, blocks)}
    found = []
    numbered = plan_boxes([port for port in rule.ports if not port.name])
    for version in (4, 6):
        for network in collapse_addresses(n for n in blocks if n.version == version):  # type: ignore[type-var]
            found += [(f"{name}_nets{version}", f"{network} . {box}") for box in numbered]
    owner: dict[str, PodFacts] = {}  # an address that has just changed hands is seen twice
    for pod, ports in members.items():
        boxes = plan_boxes(resolve(ports, pod)) if named or pod.moved else numbered
        for address in pod.addresses:
            if owner.setdefault(address, pod) is pod:
                found += [(f"{name}_pods{ip_address(address).version}", f"{address} . {box}") for box in boxes]
    return found


def _within(pod: PodFacts, blocks: Iterable[Network]) -> bool:
    return any(ip_address(address) in block for address in pod.addresses for block in blocks)


def plan_boxes(ports: Iterable[Port]) -> list[str]:
    """Protocols and ports without overlaps.

    >>> plan_boxes([Port(6, 80, 80), Port(6, 81, 90), Port(6, 85, 85), Port(17, 53, 53)]), plan_boxes([Port(), Port(6)])
    (['6 . 80-90', '17 . 53'], ['0-255 . 0-65535'])
    """
    by_protocol: dict[int, list[tuple[int, int]]] = {}
    for port in ports:
        by_protocol.setdefault(port.protocol, []).append((port.low, port.high))
    if 0 in by_protocol:
        return [f"0-255 . 0-{LAST_PORT}"]
    found = []
    for protocol, ranges in by_protocol.items():
        merged: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        found += [f"{protocol} . {low}-{high}" if low != high else f"{protocol} . {low}" for low, high in merged]
    return found

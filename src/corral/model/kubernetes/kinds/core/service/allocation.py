"""What a service is given before it is stored: cluster IPs, node ports. Pure but for the chance that is passed in.

The server calls `allocate` on each try to commit, with what all other services have: two services that are given the
same number can't both be stored. Follows pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from corral.model.kubernetes import status
from corral.model.kubernetes.addresses import Address, Network, parse_ip
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core.service import traits
from corral.model.kubernetes.kinds.core.service.families import fill_families
from corral.model.kubernetes.kinds.core.service.ip_fields import check_addresses
from corral.model.kubernetes.kinds.core.service.ranges import NODE_PORTS, hosts, plan_address, plan_node_port
from corral.model.kubernetes.kinds.core.service.traits import spec_of
from corral.model.kubernetes.kinds.fields import ensure, metadata, number, objects, text, texts
from corral.model.kubernetes.problems import Problem, invalid


@dataclass(frozen=True, slots=True)
class Ranges:
    """What the cluster has to give: a network for each family, the default one first; ports of the nodes."""

    networks: tuple[Network, ...]
    node_ports: range = NODE_PORTS

    @property
    def families(self) -> list[str]:
        return [f"IPv{network.version}" for network in self.networks]

    def network(self, family: str) -> Network:
        return next(one for one in self.networks if f"IPv{one.version}" == family)


@dataclass(slots=True)
class InUse:
    """What the other services have."""

    addresses: set[Address] = field(default_factory=set)
    node_ports: set[int] = field(default_factory=set)


def in_use(services: Iterable[Object]) -> InUse:
    """
    >>> in_use([{"spec": {"clusterIPs": ["10.0.0.1"], "ports": [{"nodePort": 30080}]}}]).node_ports
    {30080}
    """
    found = InUse()
    for service in services:
        spec = spec_of(service)
        found.addresses |= {ip for one in texts(spec, "clusterIPs") if (ip := parse_ip(one)) is not None}
        ports = {number(port, "nodePort") for port in objects(spec, "ports")}
        found.node_ports |= (ports | {number(spec, "healthCheckNodePort")}) - {0}
    return found


def allocate(service: Object, old: Object | None, ranges: Ranges, used: InUse, random: Random) -> None:
    """In place: gives the service what it lacks. `used`: by all other services. Raises StatusError 422 or 500."""
    spec, was = ensure(service, "spec"), spec_of(old) if old is not None else None
    if traits.needs_cluster_ip(spec):
        _refuse(service, fill_families(spec, was, ranges.families))
        if not traits.is_headless(spec):
            _refuse(service, list(check_addresses(spec)))  # what is no address of its family is not asked for
            _give_addresses(service, spec, ranges, used, random)
    _give_node_ports(service, spec, ranges, used, random)


def _refuse(service: Object, problems: list[Problem]) -> None:
    if problems:
        raise status.invalid("Service", text(metadata(service), "name"), problems)


def _give_addresses(service: Object, spec: Object, ranges: Ranges, used: InUse, random: Random) -> None:
    found = texts(spec, "clusterIPs")
    given = []
    for index, family in enumerate(texts(spec, "ipFamilies")):
        network, asked = ranges.network(family), found[index] if index < len(found) else ""
        if asked:
            if detail := _address_problem(asked, network, used):
                detail = f"failed to allocate IP {asked}: {detail}"
                _refuse(service, [invalid("spec.clusterIPs", found, detail)])
            given.append(asked)
        elif (free := plan_address(network, used.addresses, random)) is not None:
            given.append(str(free))
        else:
            raise status.internal("failed to allocate a serviceIP: range is full")
    spec["clusterIPs"] = given
    spec["clusterIP"] = given[0]


def _address_problem(asked: str, network: Network, used: InUse) -> str:
    address = parse_ip(asked)
    if address is None or address.version != network.version or int(address) not in hosts(network):
        return f"the provided IP ({asked}) is not in the valid range. The range of valid IPs is {network}"
    return "provided IP is already allocated" if address in used.addresses else ""


def _give_node_ports(service: Object, spec: Object, ranges: Ranges, used: InUse, random: Random) -> None:
    """Ports that are asked for come first, so that none of those is given to another port of the same service."""
    taken = set(used.node_ports)
    mine: set[int] = set()
    for index, port in enumerate(objects(spec, "ports")):
        if asked := number(port, "nodePort"):
            path = f"spec.ports[{index}].nodePort"
            if detail := _port_problem(asked, ranges, taken):
                _refuse(service, [invalid(path, asked, detail)])
            mine.add(asked)
    health = number(spec, "healthCheckNodePort") if traits.needs_health_check(spec) else 0  # else its check refuses it
    if health and (detail := _port_problem(health, ranges, taken | mine)):
        # Upstream says that this was its own mistake (500).
        _refuse(service, [invalid("spec.healthCheckNodePort", health, detail)])
    taken |= mine | ({health} if health else set())
    if traits.needs_node_ports(spec):
        shared: dict[int, tuple[int, set[str]]] = {}
        for port in objects(spec, "ports"):
            if not number(port, "nodePort"):
                port["nodePort"] = _next_port(port, shared, taken, ranges, random)
    if traits.needs_health_check(spec) and not health:
        spec["healthCheckNodePort"] = _free_port(taken, ranges, random, "HealthCheck NodePort")


def _next_port(
    port: Object, shared: dict[int, tuple[int, set[str]]], taken: set[int], ranges: Ranges, random: Random
) -> int:
    """One port by TCP and UDP gets the same number on the nodes."""
    value, protocol = number(port, "port"), text(port, "protocol")
    if value in shared and protocol not in shared[value][1]:
        shared[value][1].add(protocol)
        return shared[value][0]
    found = _free_port(taken, ranges, random, "nodePort")
    shared[value] = found, {protocol}
    return found


def _free_port(taken: set[int], ranges: Ranges, random: Random, what: str) -> int:
    found = plan_node_port(taken, random, ranges.node_ports)
    if found is None:
        raise status.internal(f"failed to allocate a {what}: range is full")
    taken.add(found)
    return found


def _port_problem(asked: int, ranges: Ranges, taken: set[int]) -> str:
    if asked not in ranges.node_ports:
        first, last = ranges.node_ports[0], ranges.node_ports[-1]
        return f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
    return "provided port is already allocated" if asked in taken else ""

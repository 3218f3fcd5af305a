"""Links: the older way for a container to find another one on the default bridge, by names and variables of its own.

A link is written "ID:ALIAS" in a container's record. It is looked up at each start; one whose container has been
removed since is no link any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec.structs import replace

from corral.engine.listing import expand_ports
from corral.engine.named import bridge_links
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.errors import Conflict, InvalidInput, NotFound
from corral.model.container import Container, Endpoint
from corral.networks import Links


def resolve_links(parts: Parts, links: Iterable[str]) -> list[str]:
    """On the default bridge: "NAME[:ALIAS]" as "ID:ALIAS"; an alias may be written "/db".

    InvalidInput if one leads nowhere, or to the host.
    """
    return [_resolve(parts, link) for link in links]


def known_links(parts: Parts, links: Iterable[str]) -> tuple[list[str], list[str]]:
    """In a network of one's own: those that are known already, as "ID:ALIAS", and the others as they are: a name may
    come to mean a container later."""
    known, later = [], []
    for link in links:
        name, _, alias = link.partition(":")
        try:
            known.append(f"{parts.registry.get(name).id}:{alias.removeprefix('/') or name}")
        except (NotFound, InvalidInput):
            later.append(link)
    return known, later


def _resolve(parts: Parts, link: str) -> str:
    name, _, alias = link.partition(":")
    other = _holder(parts, name)
    if other.record.spec.network.mode == "host":
        raise InvalidInput(
            "conflicting options: host type networking can't be used with links. "
            "This would result in undefined behavior"
        )
    return f"{other.id}:{alias.removeprefix('/') or name}"


def _holder(parts: Parts, name: str) -> Live:
    """The container of that name, or who has the network that it shares: that one has the addresses.

    Who was made to share the network of a container that was not there yet keeps its name: two may name each other.
    """
    other, seen = _known(parts, name), set[str]()
    while (mode := other.record.spec.network.mode).startswith("container:"):
        if other.id in seen:
            raise InvalidInput(f"cannot link to {name}: the containers whose network it shares share each other's")
        seen.add(other.id)
        other = _known(parts, mode.removeprefix("container:"))
    return other


def _known(parts: Parts, name: str) -> Live:
    try:
        return parts.registry.get(name)
    except (NotFound, InvalidInput) as error:
        raise InvalidInput(f"could not get container for {name}: {error.message}") from error


def linked(parts: Parts, record: Container) -> Iterator[tuple[str, Container]]:
    """The alias and the record of each container that `record` links to on the default bridge."""
    for link in bridge_links(record.spec.network):
        id, _, alias = link.partition(":")
        live = parts.registry.find(id)
        if live is not None:
            yield alias, live.record


def link_names(parts: Parts) -> dict[str, list[str]]:
    """By id, what other containers call a container: "/web/db" for each link to it."""
    names: dict[str, list[str]] = {}
    for other in parts.registry:
        for link in bridge_links(other.record.spec.network):
            id, _, alias = link.partition(":")
            names.setdefault(id, []).append(f"/{other.name}/{alias}")
    return names


async def unlink(parts: Parts, name: str) -> Live:
    """Takes a link away by its name, "/web/db": the container that had it. NotFound; Conflict for a plain name."""
    live = parts.registry.get(name)
    parent, _, alias = name.removeprefix("/").partition("/")
    if not alias:
        raise Conflict("Conflict, cannot remove the default link name of the container")
    holder = parts.registry.get(parent)
    async with holder.lock:
        network = holder.record.spec.network
        kept = [link for link in network.links if link != f"{live.id}:{alias}"]
        spec = replace(holder.record.spec, network=replace(network, links=kept))
        await parts.registry.save(replace(holder.record, spec=spec))
        holder.record.spec = spec
    return holder


def plan_link_hosts(alias: str, peer: Container) -> list[tuple[str, str]]:
    """Pure: (address, names) by which a linked container is found, for /etc/hosts."""
    names = " ".join(dict.fromkeys([alias, peer.spec.hostname, peer.name]))
    addresses = (address for end in _reached(peer) for address in (end.ipv4, end.ipv6))
    return [(address, names) for address in addresses if address]


def _reached(peer: Container) -> list[Endpoint]:
    """Pure: where a linked container is reached: on the default bridge, while it is on it."""
    return [peer.endpoints["bridge"]] if "bridge" in peer.endpoints else []


def require_linked(parts: Parts, record: Container) -> None:
    """Conflict when a link leads to a container that does not run, InvalidInput when the default bridge does not lead
    there: asked before a start."""
    for alias, peer in linked(parts, record):
        if not peer.state.running:
            raise Conflict(f"Cannot link to a non running container: /{peer.name} AS /{record.name}/{alias}")
        if "bridge" not in peer.endpoints:
            raise InvalidInput(f"Cannot link to /{peer.name}, as it does not belong to the default network")


def plan_links(record: Container) -> Links:
    """Pure: what the network is told of a container's links. Only those of the default bridge open anything there.

    >>> from corral.model.container import ContainerSpec, NetworkSpec
    >>> spec = ContainerSpec("x", exposed_ports=["80-81/tcp"], network=NetworkSpec("bridge", links=["4f2a:db"]))
    >>> plan_links(Container("1", "web", 0, "i", spec))
    Links(calls=('4f2a',), exposed=((80, 'tcp'), (81, 'tcp')))
    """
    mine = bridge_links(record.spec.network)
    return Links(tuple(link.partition(":")[0] for link in mine), tuple(dict.fromkeys(_exposed(record))))


def link_environment(parts: Parts, record: Container) -> list[str]:
    """The variables that tell of the linked containers that run, and are on the default bridge."""
    reached = [(alias, peer) for alias, peer in linked(parts, record) if peer.state.running and _reached(peer)]
    return [line for alias, peer in reached for line in plan_link_environment(record.name, alias, peer)]


def plan_link_environment(name: str, alias: str, peer: Container) -> list[str]:
    """Pure: what the container `name` is told of `peer`: its name, its address, its exposed ports, its environment.

    >>> from corral.model.container import ContainerSpec, Endpoint
    >>> spec = ContainerSpec("x", env=["A=1", "PATH=/bin"], exposed_ports=["80/tcp"])
    >>> peer = Container("1", "db", 0, "i", spec, endpoints={"bridge": Endpoint("bridge", "", "", ipv4="10.88.0.2")})
    >>> for line in plan_link_environment("web", "my-db", peer):
    ...     print(line)
    MY_DB_PORT=tcp://10.88.0.2:80
    MY_DB_PORT_80_TCP=tcp://10.88.0.2:80
    MY_DB_PORT_80_TCP_ADDR=10.88.0.2
    MY_DB_PORT_80_TCP_PORT=80
    MY_DB_PORT_80_TCP_PROTO=tcp
    MY_DB_NAME=/web/my-db
    MY_DB_ENV_A=1
    """
    prefix = alias.upper().replace("-", "_")
    address = next((end.ipv4 for end in _reached(peer) if end.ipv4), "")
    variables = [entry.partition("=") for entry in peer.spec.env]
    kept = [f"{prefix}_ENV_{key}={value}" for key, eq, value in variables if eq and key not in ("HOME", "PATH")]
    ports = sorted(set(_exposed(peer)), key=lambda port: (port[1] != "tcp", port[1], port[0]))
    return [*_ports(prefix, address, ports), f"{prefix}_NAME=/{name}/{alias}", *kept]


def _exposed(container: Container) -> list[tuple[int, str]]:
    return [port for text in container.spec.exposed_ports for port in expand_ports(text)]


def _ports(prefix: str, address: str, ports: list[tuple[int, str]]) -> list[str]:
    """Each port; and the first and the last of those that follow each other.

    >>> [line for line in _ports("DB", "a", [(1, "tcp"), (2, "tcp"), (4, "tcp")]) if "START" in line or "END" in line]
    ['DB_PORT_1_TCP_START=tcp://a:1', 'DB_PORT_1_TCP_PORT_START=1', 'DB_PORT_1_TCP_END=tcp://a:2', \
'DB_PORT_1_TCP_PORT_END=2']
    """
    lines = [f"{prefix}_PORT={protocol}://{address}:{number}" for number, protocol in ports[:1]]
    for number, protocol in ports:
        key = f"{prefix}_PORT_{number}_{protocol.upper()}"
        lines += [f"{key}={protocol}://{address}:{number}", f"{key}_ADDR={address}"]
        lines += [f"{key}_PORT={number}", f"{key}_PROTO={protocol}"]
    for (first, protocol), (last, _) in _runs(ports):
        key = f"{prefix}_PORT_{first}_{protocol.upper()}"
        lines += [f"{key}_START={protocol}://{address}:{first}", f"{key}_PORT_START={first}"]
        lines += [f"{key}_END={protocol}://{address}:{last}", f"{key}_PORT_END={last}"]
    return lines


def _runs(ports: list[tuple[int, str]]) -> list[tuple[tuple[int, str], tuple[int, str]]]:
    """First and last of every two or more ports of one protocol that follow each other."""
    breaks = [n for n, (a, b) in enumerate(pairwise(ports), 1) if a[1] != b[1] or a[0] + 1 != b[0]]
    edges = list(pairwise([0, *breaks, len(ports)])) if ports else []
    return [(ports[start], ports[end - 1]) for start, end in edges if end - start > 1]

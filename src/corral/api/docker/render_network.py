"""Networking as `inspect` and lists show it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from corral.api.docker.netmode import is_user_defined
from corral.engine.listing import shown_ports
from corral.engine.named import place_outside
from corral.model.container import Container, Endpoint, EndpointSpec

Json = dict[str, Any]

# Made once: a list of many stopped containers would spend half its time on making them.
_NOTHING_ASKED = EndpointSpec()
_NOWHERE = Endpoint("", "", "")


def network_settings(container: Container, network_ids: Mapping[str, str], version: tuple[int, int]) -> Json:
    """Pure. The addresses on the default bridge appear twice, once at the top: Docker's oldest clients read those."""
    main = container.endpoints.get("bridge")
    running = container.state.status in ("running", "paused")
    return {
        "Bridge": "",
        "SandboxID": hashlib.sha256(f"sandbox {container.id}".encode()).hexdigest() if running else "",
        "SandboxKey": f"/proc/{container.state.pid}/ns/net" if running else "",
        "Ports": ports(container),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": main.endpoint_id if main else "",
        "Gateway": main.gateway if main else "",
        "GlobalIPv6Address": main.ipv6 if main else "",
        "GlobalIPv6PrefixLen": main.ipv6_prefix if main else 0,
        "IPAddress": main.ipv4 if main else "",
        "IPPrefixLen": main.ipv4_prefix if main else 0,
        "IPv6Gateway": main.gateway6 if main else "",
        "MacAddress": main.mac if main else "",
        "Networks": networks(container, network_ids) if version >= (1, 45) else _aliased(container, network_ids),
    }


def ports(container: Container) -> Json:
    """Port -> where it is published, by no number where it is routed; null for a port that is only exposed."""
    shown: dict[str, list[Json] | None] = {}
    for port in shown_ports(container):
        key = f"{port.private}/{port.protocol}"
        if port.address:
            bound = shown.get(key) or []
            shown[key] = [*bound, {"HostIp": port.address, "HostPort": str(port.public or "")}]
        else:
            shown.setdefault(key, None)
    return shown


def networks(container: Container, network_ids: Mapping[str, str]) -> Json:
    """Each network it is to be in, with what it has there now. None for one that shares another's."""
    spec, live = container.spec.network, container.state.running
    main = main_of(spec.mode, network_ids)
    names = [] if main.startswith("container:") else [*spec.endpoints] or ([] if main in spec.left else [main])
    names += [name for name in container.endpoints if live and name not in names]
    return {
        name: endpoint(
            spec.endpoints.get(name, _NOTHING_ASKED),
            (container.endpoints.get(name) or _outside(container, name, network_ids)) if live else None,
            network_ids.get(name, ""),
            container,
            named=is_user_defined(name),
        )
        for name in dict.fromkeys("bridge" if name == "default" else name for name in names)
    }


def _outside(container: Container, name: str, network_ids: Mapping[str, str]) -> Endpoint | None:
    return place_outside(container, name, network_ids.get(name, "")) if name in ("host", "none") else None


def _aliased(container: Container, network_ids: Mapping[str, str]) -> Json:
    """As before API 1.45: the short id and the host name stand among the aliases."""
    found = networks(container, network_ids)
    for name, end in found.items():
        if is_user_defined(name):
            names = [*(end["Aliases"] or ()), container.id[:12], container.spec.hostname]
            end["Aliases"] = list(dict.fromkeys(names))
    return found


def main_of(mode: str, network_ids: Mapping[str, str]) -> str:
    """The name of the network that a mode means; it may say so by id.

    >>> main_of("default", {}), main_of("4f2a", {"shop": "4f2a99"})
    ('bridge', 'shop')
    """
    if mode == "default" or mode in network_ids:
        return "bridge" if mode == "default" else mode
    return next((name for name, id in network_ids.items() if id.startswith(mode)), mode)


def endpoint(asked: EndpointSpec, has: Endpoint | None, network_id: str, container: Container, *, named: bool) -> Json:
    """`named`: the network resolves names, which the default bridge does not."""
    now = has or _NOWHERE
    names = now.dns_names or dns_names(container, asked.aliases)
    addresses = {"IPv4Address": asked.ipv4, "IPv6Address": asked.ipv6, "LinkLocalIPs": asked.link_local_ips}
    return {
        "IPAMConfig": {name: value for name, value in addresses.items() if value} or None,
        "Links": asked.links or None,
        "Aliases": asked.aliases or None,
        "MacAddress": now.mac or asked.mac,
        "DriverOpts": asked.driver_options or None,
        "GwPriority": asked.gateway_priority,
        "NetworkID": now.network_id or network_id,
        "EndpointID": now.endpoint_id,
        "Gateway": now.gateway,
        "IPAddress": now.ipv4,
        "IPPrefixLen": now.ipv4_prefix,
        "IPv6Gateway": now.gateway6,
        "GlobalIPv6Address": now.ipv6,
        "GlobalIPv6PrefixLen": now.ipv6_prefix,
        "DNSNames": names if named else None,
    }


def dns_names(container: Container, aliases: list[str]) -> list[str]:
    """What it will be called."""
    return list(dict.fromkeys([container.name, *aliases, container.id[:12], container.spec.hostname]))

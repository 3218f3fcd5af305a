"""The networks that are always there: list and inspect. Networks of one's own are not offered yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.api.docker.answers import reply
from corral.api.docker.at import name_of, version_of
from corral.api.docker.filters import parse_filters
from corral.engine.filters import Filters, flag, matches_text, refuse_unknown
from corral.errors import InvalidInput, NotFound
from corral.http.message import Request, Response
from corral.kit.clock import to_rfc3339

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine
    from corral.model.container import Endpoint
    from corral.model.network import NetworkInfo

Json = dict[str, Any]
LIST_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")


def network_json(network: NetworkInfo, names: dict[str, str] | None) -> Json:
    """Pure: a network; `names` (container id -> name) shows the containers in it, None leaves them out."""
    pools = [(network.subnet, network.gateway), (network.subnet6, network.gateway6)]
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": to_rfc3339(network.created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": bool(network.subnet6),
        "IPAM": {
            "Driver": "default",
            "Options": None,
            "Config": [_pool(subnet, gateway) for subnet, gateway in pools if subnet] or None,
        },
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {id: _place(place, names[id]) for id, place in network.endpoints.items() if id in names}
        if names is not None
        else {},
        "Options": _options(network),
        "Labels": {},
    }


def _pool(subnet: str, gateway: str) -> Json:
    return {"Subnet": subnet, **({"Gateway": gateway} if gateway else {})}


def _place(place: Endpoint, name: str) -> Json:
    return {
        "Name": name,
        "EndpointID": place.endpoint_id,
        "MacAddress": place.mac,
        "IPv4Address": f"{place.ipv4}/{place.ipv4_prefix}" if place.ipv4 else "",
        "IPv6Address": f"{place.ipv6}/{place.ipv6_prefix}" if place.ipv6 else "",
    }


def _options(network: NetworkInfo) -> Json:
    if network.driver != "bridge":
        return {}
    prefix = "com.docker.network."
    return {
        f"{prefix}bridge.default_bridge": "true",
        f"{prefix}bridge.enable_icc": "true" if network.icc else "false",
        f"{prefix}bridge.enable_ip_masquerade": "true",
        f"{prefix}bridge.host_binding_ipv4": "0.0.0.0",
        f"{prefix}bridge.name": network.bridge,
        f"{prefix}driver.mtu": str(network.mtu or 1500),
    }


async def network_list(api: DockerApi, request: Request) -> Response:
    filters = parse_filters(request.query.get("filters"))
    refuse_unknown(filters, LIST_FILTERS)
    names = _names(api.engine) if version_of(request) < (1, 28) else None
    return reply([network_json(network, names) for network in api.engine.networks.info() if fits(network, filters)])


def fits(network: NetworkInfo, filters: Filters) -> bool:
    """Pure. The networks that are always there count as built in, never as dangling, and have no labels."""
    kinds = filters.get("type", ("builtin",))
    for kind in kinds:
        if kind not in ("builtin", "custom"):
            raise InvalidInput(f"invalid filter: 'type'='{kind}'")
    return (
        "builtin" in kinds
        and not filters.get("label")
        and not flag(filters, "dangling", False)
        and ("driver" not in filters or network.driver in filters["driver"])
        and ("scope" not in filters or "local" in filters["scope"])
        and ("id" not in filters or any(matches_text(pattern, network.id) for pattern in filters["id"]))
        and ("name" not in filters or any(matches_text(pattern, network.name) for pattern in filters["name"]))
    )


def _names(engine: Engine) -> dict[str, str]:
    return {container.id: container.name for container in engine.containers.list()}


async def network_inspect(api: DockerApi, request: Request) -> Response:
    """By id, name, or the start of an id."""
    term, networks = name_of(request), api.engine.networks.info()
    exact = [network for network in networks if term in (network.id, network.name)]
    found = exact or [network for network in networks if term and network.id.startswith(term)]
    if len(found) > 1:
        raise InvalidInput(f"{len(found)} matches found based on ID prefix: network {term} is ambiguous")
    if not found:
        raise NotFound(f"network {term} not found")
    return reply(network_json(found[0], _names(api.engine)))

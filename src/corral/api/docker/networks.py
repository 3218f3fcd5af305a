"""The operations on networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.api.docker.answers import reply
from corral.api.docker.at import json_body, name_of, version_of
from corral.api.docker.bodies import NetworkConnect, NetworkDisconnect
from corral.api.docker.filters import parse_filters, until_of
from corral.api.docker.gojson import decode
from corral.api.docker.netspec import check_endpoints, endpoint_spec
from corral.api.docker.network_create import parse_network
from corral.api.docker.settings import EndpointSettings, NetworkingConfig
from corral.engine.filters import Filters, flag, labels_fit, matches_text, refuse_unknown
from corral.errors import InvalidInput, NotFound
from corral.http.message import Request, Response
from corral.kit.clock import to_rfc3339

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine
    from corral.model.container import Endpoint
    from corral.model.network import Network, NetworkInfo, Pool

Json = dict[str, Any]
LIST_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")


def network_json(info: NetworkInfo, names: dict[str, str] | None) -> Json:
    """Pure: a network; `names` (container id -> name) shows the containers in it, None leaves them out."""
    network, spec = info.network, info.network.spec
    return {
        "Name": spec.name,
        "Id": network.id,
        "Created": to_rfc3339(network.created),
        "Scope": "local",
        "Driver": spec.driver,
        "EnableIPv4": spec.ipv4,
        "EnableIPv6": spec.ipv6,
        "IPAM": {
            "Driver": spec.ipam_driver,
            "Options": spec.ipam_options,
            "Config": [_pool(pool) for pool in network.pools] or None,
        },
        "Internal": spec.internal,
        "Attachable": spec.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {id: _place(place, names[id]) for id, place in info.endpoints.items() if id in names}
        if names is not None
        else {},
        "Options": _default_options(network) if network.builtin else spec.given,
        "Labels": spec.labels,
    }


def _pool(pool: Pool) -> Json:
    shown = {
        "Subnet": pool.subnet,
        "IPRange": pool.ip_range,
        "Gateway": pool.gateway,
        "AuxiliaryAddresses": pool.aux,
    }
    return {name: value for name, value in shown.items() if value}


def _place(place: Endpoint, name: str) -> Json:
    return {
        "Name": name,
        "EndpointID": place.endpoint_id,
        "MacAddress": place.mac,
        "IPv4Address": f"{place.ipv4}/{place.ipv4_prefix}" if place.ipv4 else "",
        "IPv6Address": f"{place.ipv6}/{place.ipv6_prefix}" if place.ipv6 else "",
    }


def _default_options(network: Network) -> Json:
    if network.driver != "bridge":
        return {}
    prefix = "com.docker.network."
    return {
        f"{prefix}bridge.default_bridge": "true",
        f"{prefix}bridge.enable_icc": "true" if network.spec.options.icc else "false",
        f"{prefix}bridge.enable_ip_masquerade": "true",
        f"{prefix}bridge.host_binding_ipv4": "0.0.0.0",
        f"{prefix}bridge.name": network.bridge,
        f"{prefix}driver.mtu": str(network.mtu or 1500),
    }


async def network_list(api: DockerApi, request: Request) -> Response:
    filters = parse_filters(request.query.get("filters"))
    refuse_unknown(filters, LIST_FILTERS)
    check_filters(filters)
    names = _names(api.engine) if version_of(request) < (1, 28) else None
    return reply([network_json(info, names) for info in api.engine.networks.info() if fits(info, filters)])


def check_filters(filters: Filters) -> None:
    """InvalidInput for values that the filters do not take."""
    dangling = filters.get("dangling", ())
    if len(dangling) > 1:
        raise InvalidInput('got more than one value for filter key "dangling"')
    if any(value not in ("0", "1", "false", "true") for value in dangling):
        raise InvalidInput("""invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")""")
    for kind in filters.get("type", ()):
        if kind not in ("builtin", "custom"):
            raise InvalidInput(f"invalid filter: 'type'='{kind}'")


def fits(info: NetworkInfo, filters: Filters) -> bool:
    """Pure. The networks that are always there count as built in, and never as dangling."""
    network, kinds = info.network, filters.get("type", ())
    unused = not network.builtin and not info.endpoints
    return (
        (not kinds or ("builtin" if network.builtin else "custom") in kinds)
        and labels_fit(filters, network.spec.labels)
        and ("dangling" not in filters or flag(filters, "dangling", False) is unused)
        and ("driver" not in filters or network.driver in filters["driver"])
        and ("scope" not in filters or "local" in filters["scope"])
        and ("id" not in filters or any(matches_text(pattern, network.id) for pattern in filters["id"]))
        and ("name" not in filters or any(matches_text(pattern, network.name) for pattern in filters["name"]))
    )


def _names(engine: Engine) -> dict[str, str]:
    return {container.id: container.name for container in engine.containers.list()}


async def network_inspect(api: DockerApi, request: Request) -> Response:
    """By id, name, or the start of an id. All networks are of this machine: other scopes have none."""
    term = name_of(request)
    if request.query.get("scope") not in (None, "", "local"):
        raise NotFound(f"network {term} not found")
    request.query.flag("verbose")  # services are swarm's, and there are none
    return reply(network_json(api.engine.networks.get(term), _names(api.engine)))


async def network_create(api: DockerApi, request: Request) -> Response:
    new = parse_network(await json_body(request), version_of(request))
    network = await api.engine.networks.create(new.spec)
    return reply({"Id": network.id, "Warning": "; ".join(new.warnings)}, 201)


async def network_remove(api: DockerApi, request: Request) -> Response:
    await api.engine.networks.remove(name_of(request))
    return Response(204)


async def network_connect(api: DockerApi, request: Request) -> Response:
    asked, _ = decode(await json_body(request), NetworkConnect)
    settings = asked.EndpointConfig or EndpointSettings()
    network = api.engine.networks.get(name_of(request)).network
    check_endpoints(NetworkingConfig(EndpointsConfig={network.name: settings}))
    await api.engine.networks.connect(network.id, asked.Container, endpoint_spec(settings))
    return Response(200)


async def network_disconnect(api: DockerApi, request: Request) -> Response:
    asked, _ = decode(await json_body(request), NetworkDisconnect)
    await api.engine.networks.disconnect(name_of(request), asked.Container, force=asked.Force)
    return Response(200)


async def network_prune(api: DockerApi, request: Request) -> Response:
    """Networks that somebody made and that no running container is in."""
    filters, engine = parse_filters(request.query.get("filters")), api.engine
    refuse_unknown(filters, ("label", "label!", "until"))
    until = until_of(filters, engine.parts.clock.now())

    def selected(network: Network) -> bool:
        return (not until or network.created <= until) and labels_fit(filters, network.spec.labels)

    removed = await engine.networks.prune(selected)
    engine.events.publish("network", "prune", "", {"reclaimed": "0"})
    return reply({"NetworksDeleted": removed or None})

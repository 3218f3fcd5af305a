"""Creating a network: from the body that a client sends to what the engine is asked for. Pure."""

from __future__ import annotations

from typing import NamedTuple

from corral.api.docker.bodies import IPAM, NetworkCreate
from corral.api.docker.gojson import decode
from corral.api.docker.network_options import FAMILIES, parse_bool, parse_options
from corral.errors import Forbidden, InvalidInput, NotFound, Unsupported
from corral.model.network import NetworkSpec, Pool

NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node '
    "to swarm and try again."
)


class NewNetwork(NamedTuple):
    spec: NetworkSpec
    warnings: list[str]


def parse_network(body: bytes, version: tuple[int, int]) -> NewNetwork:
    """The whole way from a request. InvalidInput, Forbidden, NotFound and Unsupported in dockerd's words.

    >>> parse_network(b'{"Name": "shop", "Labels": {"tier": "front"}}', (1, 51)).spec.labels
    {'tier': 'front'}
    """
    asked, unknown = decode(body, NetworkCreate)
    driver = asked.Driver or "bridge"
    _check(asked, driver)
    options, ignored = parse_options(driver, asked.Options)
    ipam = asked.IPAM or IPAM()
    if ipam.Driver not in ("", "default"):
        raise InvalidInput(f'invalid ipam driver: "{ipam.Driver}"')
    spec = NetworkSpec(
        name=asked.Name,
        driver=driver,
        ipv4=_family(asked.EnableIPv4 if version >= (1, 48) else None, asked.Options, FAMILIES[0], True),
        ipv6=_family(asked.EnableIPv6, asked.Options, FAMILIES[1], False),
        pools=[Pool(c.Subnet, c.Gateway, c.IPRange, c.AuxiliaryAddresses) for c in ipam.Config],
        internal=asked.Internal,
        attachable=asked.Attachable,
        options=options,
        labels=asked.Labels,
        given=asked.Options,
        ipam_options=ipam.Options,
    )
    warnings = [f'Option "{name}" was ignored: the driver {driver} does not know it' for name in ignored]
    return NewNetwork(spec, [*warnings, *(f'Unknown field "{path}" was ignored' for path in unknown)])


def _check(asked: NetworkCreate, driver: str) -> None:
    if not asked.Name.strip():
        raise InvalidInput("invalid name: name is empty")
    if asked.ConfigOnly or (asked.ConfigFrom and asked.ConfigFrom.Network):
        raise Unsupported("networks that only hold a configuration for others are not offered")
    if driver == "overlay":
        raise Forbidden(NO_MANAGER)
    if driver in ("host", "null"):
        raise Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver not in ("bridge", "macvlan", "ipvlan"):
        raise NotFound(f'plugin "{driver}" not found')
    if asked.Ingress:
        raise Forbidden("Ingress network can only be global scope network")
    if asked.Scope not in ("", "local"):
        raise Forbidden(f"cannot create a {asked.Scope} scoped network when swarm is not active")


def _family(asked: bool | None, options: dict[str, str], name: str, default: bool) -> bool:
    if asked is not None:
        return asked
    return parse_bool(name, options[name]) if name in options else default

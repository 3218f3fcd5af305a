"""Finding networks by what people call them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from corral.errors import InvalidInput, NotFound
from corral.model.container import Container, Endpoint, EndpointSpec, NetworkSpec
from corral.model.network import NetworkInfo
from corral.networks.choose import NO_IPV6

ALL_OFF = "net.ipv6.conf.all.disable_ipv6"
BUILTIN = ("bridge", "host", "none")
DEFAULT_BRIDGE = ("", "default", "bridge")  # the modes that mean it


def is_named(spec: NetworkSpec) -> bool:
    """Whether it asks for networks that somebody made: only these are to be looked up.

    >>> is_named(NetworkSpec()), is_named(NetworkSpec("shop"))
    (False, True)
    """
    names = (spec.mode, *spec.endpoints)
    return not spec.mode.startswith("space:") and any(name not in (*BUILTIN, "", "default") for name in names)


def bridge_links(spec: NetworkSpec) -> list[str]:
    """Pure: the links that are more than names to the resolver: those of the default bridge, which has none. Their
    addresses are in the hosts file, and variables tell of them. In a network of its own, addresses that a container
    has in other networks would lead nowhere.

    >>> bridge_links(NetworkSpec(links=["4f2a:db"])), bridge_links(NetworkSpec("shop", links=["4f2a:db"]))
    (['4f2a:db'], [])
    """
    return spec.links if spec.mode in DEFAULT_BRIDGE else []


def with_links(spec: NetworkSpec, links: Sequence[str]) -> NetworkSpec:
    """Links ("ID:ALIAS") in a network of its own are names that only their owner knows.

    >>> with_links(NetworkSpec("shop"), ["0123456789abcdef:db"]).endpoints["shop"].links
    ['0123456789ab:db']
    """
    if not links or spec.mode in BUILTIN:
        return spec
    pairs = (link.partition(":") for link in links)
    meant = [f"{id[:12]}:{alias}" for id, _, alias in pairs]
    how = spec.endpoints.get(spec.mode, EndpointSpec())
    endpoints = {**spec.endpoints, spec.mode: replace(how, links=[*how.links, *meant])}
    return NetworkSpec(spec.mode, endpoints)


def without_ipv6(spec: NetworkSpec, sysctls: Mapping[str, str]) -> NetworkSpec:
    """A container that turns IPv6 off on all of its interfaces is given no address, and no name leads to one.

    >>> without_ipv6(NetworkSpec("shop"), {"net.ipv6.conf.all.disable_ipv6": "1"}).endpoints["shop"].sysctls
    ['net.ipv6.conf.IFNAME.disable_ipv6=1']
    """
    if sysctls.get(ALL_OFF) != "1" or (spec.mode in ("host", "none") and not spec.endpoints):
        return spec
    asked = spec.endpoints or {spec.mode: EndpointSpec()}
    return replace(spec, endpoints={name: place_without_ipv6(how, sysctls) for name, how in asked.items()})


def place_without_ipv6(how: EndpointSpec, sysctls: Mapping[str, str]) -> EndpointSpec:
    """The same for one network."""
    return replace(how, sysctls=[*how.sysctls, NO_IPV6]) if sysctls.get(ALL_OFF) == "1" else how


def find_network(networks: Sequence[NetworkInfo], ref: str) -> NetworkInfo:
    """By id, name, or the start of an id, in this order.

    >>> from corral.model.network import Network, NetworkSpec as Made
    >>> known = [NetworkInfo(Network(id, Made(name))) for id, name in (("4f2a", "shop"), ("4f2b", "4f2a"))]
    >>> find_network(known, "4f2a").network.name, find_network(known, "4f2b").network.name
    ('shop', '4f2a')
    """
    exact = [n for n in networks if n.network.id == ref] or [n for n in networks if n.network.name == ref]
    found = exact or [n for n in networks if ref and n.network.id.startswith(ref)]
    if len(found) > 1:
        raise InvalidInput(f"{len(found)} matches found based on ID prefix: network {ref} is ambiguous")
    if not found:
        raise NotFound(f"network {ref} not found")
    return found[0]


def main_network(networks: Sequence[NetworkInfo], mode: str) -> str:
    """The name of the network that a container's mode means; what is none ("container:…") stays as it is.

    >>> main_network([], "default"), main_network([], "container:db")
    ('bridge', 'container:db')
    """
    if mode in ("", "default"):
        return "bridge"
    if mode in BUILTIN or mode.startswith(("container:", "space:")):
        return mode
    return find_network(networks, mode).network.name


def known_name(networks: Sequence[NetworkInfo], mode: str) -> str:
    """As `main_network`; a network that is not there yet is called as it was asked for.

    >>> known_name([], "later")
    'later'
    """
    try:
        return main_network(networks, mode)
    except NotFound:
        return mode


def check_join(network: str, main: str) -> None:
    """InvalidInput where `main`, a container's own network, is none that others go with, or `network` is no other's.

    >>> check_join("shop", "none")
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: container cannot be connected to multiple networks with one of the networks in \
private (none) mode
    """
    if network == "host":
        raise InvalidInput("cannot connect container to host network - container must be created in host network mode")
    if main == "host" or main.startswith("container:"):
        raise InvalidInput(
            "container sharing network namespace with another container or host "
            "cannot be connected to any other network"
        )
    if "none" in (main, network):
        raise InvalidInput(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        )


def is_alone(main: str, spec: NetworkSpec) -> bool:
    """Pure: whether a container is in "none" still, its own network: it has not left it for others.

    >>> is_alone("none", NetworkSpec("none")), is_alone("none", NetworkSpec("none", left=["none"]))
    (True, False)
    >>> is_alone("none", NetworkSpec("none", {"shop": EndpointSpec()}))
    False
    """
    return main == "none" and not spec.left and not {*spec.endpoints} - {"none"}


def place_outside(container: Container, name: str, network_id: str) -> Endpoint | None:
    """Pure: a running container's place in "host" or "none", which has a name for each of its lives and nothing else;
    None where it is in neither.

    >>> from corral.model.container import ContainerSpec
    >>> one = Container("1", "a", 0, "i", ContainerSpec("x", network=NetworkSpec("host")))
    >>> place_outside(one, "host", "9") is None  # it does not run
    True
    >>> one.state.status = "running"
    >>> place_outside(one, "host", "9").network_id, place_outside(one, "none", "9") is None
    ('9', True)
    """
    network = container.spec.network
    there = network.mode == "host" if name == "host" else is_alone(network.mode, network)
    if not (there and container.state.running):
        return None
    life = f"{container.id} {name} {container.state.started_at}"
    return Endpoint(name, network_id, hashlib.sha256(life.encode()).hexdigest())


def check_joined(main: str, names: Collection[str]) -> None:
    """InvalidInput for networks asked for at once that cannot be had together: the others beside the main one.

    >>> check_joined("bridge", ["bridge", "shop"])
    >>> check_joined("bridge", ["bridge", "host"])
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: cannot connect container to host network - container must be created in host network \
mode
    """
    if main in names:
        for name in sorted(set(names) - {main}):
            check_join(name, main)


def plan_joined(networks: Sequence[NetworkInfo], spec: NetworkSpec) -> NetworkSpec:
    """The request with names for whatever it calls its networks by; "none" where all have been left. NotFound for one
    that is gone, but for the main one where it has been left, or others were joined in its place.

    >>> from corral.model.network import Network, NetworkSpec as Made
    >>> known = [NetworkInfo(Network("4f2a", Made("shop"))), NetworkInfo(Network("11", Made("back")))]
    >>> [*plan_joined(known, NetworkSpec("4f2a", {"11": EndpointSpec()})).endpoints]
    ['back']
    >>> plan_joined(known, NetworkSpec("shop", left=["shop"])).mode
    'none'
    >>> plan_joined(known, NetworkSpec("none", {"shop": EndpointSpec()})).endpoints.keys()
    dict_keys(['shop'])
    >>> plan_joined(known, NetworkSpec("gone", {"shop": EndpointSpec()})).endpoints.keys()
    dict_keys(['shop'])
    """
    main = (known_name if spec.endpoints or spec.left else main_network)(networks, spec.mode)
    endpoints = {main_network(networks, name): how for name, how in spec.endpoints.items()}
    endpoints.pop("none", None)
    if main in spec.left and not endpoints:
        main = "none"
    return NetworkSpec(main, endpoints)

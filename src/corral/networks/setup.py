"""Making networks: what was chosen before is read, what is missing is chosen. Blocks, but for the plans."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import ip_network

import msgspec

from corral.errors import Forbidden, InvalidInput, Unsupported, from_oserror
from corral.kit.clock import Clock
from corral.kit.durable import write_durably
from corral.model.network import Network, NetworkSpec
from corral.networks.addresses import parse_nameservers
from corral.networks.choose import plan_default, plan_network
from corral.networks.config import Chosen, NetworkConfig
from corral.networks.ipam import check_pools, plan_pools
from corral.networks.lines import plan_lines
from corral.networks.names import InstanceNames
from corral.networks.parents import DRIVERS, check_parent, prepare_parent
from corral.networks.places import NO_NAME, is_interface_name
from corral.networks.wires import Port, Wires, one_at_a_time

log = logging.getLogger("corral")


def check_spec(spec: NetworkSpec) -> None:
    """InvalidInput, Forbidden and Unsupported for a network that cannot be."""
    options = spec.options
    if spec.name in (".", ".."):  # clients take it for a way through the URL, and could not name it ever after
        raise InvalidInput(f"invalid network name: {spec.name}")
    if spec.driver not in ("bridge", *DRIVERS):
        raise Unsupported(f"network driver {spec.driver} is not offered: bridge, macvlan and ipvlan are")
    if not (spec.ipv4 or spec.ipv6):
        raise InvalidInput("IPv4 or IPv6 must be enabled")
    check_pools(spec)
    check_mtu(spec)
    if not is_interface_name(f"{options.interface_prefix}0"):
        raise InvalidInput(f"'{options.interface_prefix}0' {NO_NAME}")
    if spec.driver in DRIVERS:
        check_parent(spec)
        return
    versions = [6 if ":" in pool.subnet else 4 for pool in spec.pools if pool.subnet]
    if len(versions) != len(set(versions)):
        raise Forbidden("bridge driver doesn't support multiple subnets")
    if "isolated" in (options.gateway4, options.gateway6) and not spec.internal:
        raise InvalidInput("gateway mode 'isolated' can only be used for an internal network")
    if options.bridge and not is_interface_name(options.bridge):
        raise InvalidInput(f"{options.bridge!r} {NO_NAME}")


def check_mtu(spec: NetworkSpec) -> None:
    """InvalidInput for packets smaller than the families of the network have them (RFC 791, RFC 8200).

    >>> from corral.model.network import NetworkOptions
    >>> check_mtu(NetworkSpec("a", ipv6=True, options=NetworkOptions(mtu=1000)))
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid MTU 1000 of network a: with IPv6 it is 1280 or more
    """
    mtu, least = spec.options.mtu, 1280 if spec.ipv6 else 68
    if mtu and mtu < least:
        family = "IPv6" if spec.ipv6 else "IPv4"
        raise InvalidInput(f"invalid MTU {mtu} of network {spec.name}: with {family} it is {least} or more")


def make_default(
    wires: Wires, config: NetworkConfig, names: InstanceNames, state: str, clock: Clock, others: Iterable[Network]
) -> Network:
    """The default bridge, as a former daemon left it or new. `state` is the file that remembers."""
    os.makedirs(os.path.dirname(state), exist_ok=True)
    ours = [ip_network(pool.subnet) for network in others for pool in network.pools]
    with one_at_a_time():
        taken = [*wires.taken(), *ours, *parse_nameservers(_read("/etc/resolv.conf"))]
        before = load(state)
        chosen = plan_network(config, before, taken, names, clock.now(), up=wires.exists(names.bridge))
        if chosen != before:
            save(state, chosen)
        network = plan_default(config, chosen, names, wires.uplink_mtu())
        raise_up(wires, network)
    return network


def make_network(
    wires: Wires, config: NetworkConfig, names: InstanceNames, spec: NetworkSpec, id: str, now: int,
    others: Sequence[Network],
) -> Network:  # fmt: skip
    """A network that somebody asks for."""
    ours = [ip_network(pool.subnet) for network in others for pool in network.pools]
    with one_at_a_time():
        taken = [*wires.taken(), *parse_nameservers(_read("/etc/resolv.conf"))]
        bridge = spec.options.bridge or names.user_bridge(id) if spec.driver == "bridge" else ""
        network = Network(
            id,
            spec,
            created=now,
            pools=plan_pools(spec, config.pools, ours, taken, id),
            bridge=bridge,
            mtu=spec.options.mtu or wires.uplink_mtu(),
        )
        check_beside(network, others)
        raise_up(wires, network)
    return network


def check_beside(network: Network, others: Iterable[Network]) -> None:
    """Forbidden where two networks would share one interface."""
    for other in others:
        if network.bridge and other.bridge == network.bridge:
            raise Forbidden(
                f"cannot create network {network.id} ({network.bridge}): conflicts with network {other.id} "
                f"({other.bridge}): networks have same bridge name"
            )
        parent = network.spec.options.parent
        if parent and other.spec.options.parent == parent and other.driver != network.driver:
            raise Forbidden(f"interface {parent} is in use by the {other.driver} network {other.name}")


def raise_up(wires: Wires, network: Network, ports: Iterable[Port] = ()) -> None:
    """Its interfaces on the host; `ports` are those of the containers that are in it."""
    if network.driver == "bridge":
        wires.set_up(plan_lines(network), ports)
    else:
        prepare_parent(wires, network)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # the host does without it
        return ""


def load(path: str) -> Chosen | None:
    text = _read(path)
    try:
        return msgspec.json.decode(text, type=Chosen) if text else None
    except msgspec.DecodeError as error:
        log.warning("%s is unreadable, a subnet is chosen anew: %s", path, error)
        return None


def save(path: str, chosen: Chosen) -> None:
    try:
        write_durably(path, msgspec.json.encode(chosen))
    except OSError as error:
        raise from_oserror(f"write {path}", error) from error


def forget(path: str) -> None:
    """The next start chooses anew."""
    with suppress(FileNotFoundError):
        os.unlink(path)

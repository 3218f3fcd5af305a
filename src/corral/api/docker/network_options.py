"""The options of a network's driver, in Docker's words."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Final

from corral.api.docker.security import FALSE, TRUE
from corral.errors import InvalidInput, Unsupported
from corral.model.network import NetworkOptions

NETWORK: Final = "com.docker.network."
BRIDGE: Final = f"{NETWORK}bridge."
_MODES: Final = {"nat": "nat", "routed": "routed", "nat-unprotected": "open", "isolated": "isolated"}


def parse_bool(name: str, text: str) -> bool:
    """
    >>> parse_bool("x", "0")
    False
    """
    if text not in TRUE + FALSE:
        reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise InvalidInput(f"failed to parse {name} value: {text} ({reason})")
    return text in TRUE


def _number(name: str, text: str) -> int:
    """
    >>> _number("mtu", "-5")
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid MTU number: -5
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidInput(f'failed to parse {name} value: {text} (strconv.Atoi: parsing "{text}": invalid syntax)')
    if not 0 <= int(text) <= 65535:
        raise InvalidInput(f"invalid MTU number: {text}")
    return int(text)


def _address4(name: str, text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise InvalidInput(f"failed to parse {name} value: {text} (nil ip)") from None


def _mode(name: str, text: str) -> str:
    if text not in _MODES:
        raise InvalidInput(f"failed to parse {name} value: {text} (unknown gateway mode {text})")
    return _MODES[text]


def _text(name: str, text: str) -> str:
    return text


Reader = tuple[str, Callable[[str, str], Any]]

_COMMON: Final[dict[str, Reader]] = {
    f"{NETWORK}driver.mtu": ("mtu", _number),
    f"{NETWORK}container_iface_prefix": ("interface_prefix", _text),
}
_BRIDGE: Final[dict[str, Reader]] = {
    f"{BRIDGE}name": ("bridge", _text),
    f"{BRIDGE}enable_icc": ("icc", parse_bool),
    f"{BRIDGE}enable_ip_masquerade": ("masquerade", parse_bool),
    f"{BRIDGE}host_binding_ipv4": ("host_ip", _address4),
    f"{BRIDGE}inhibit_ipv4": ("inhibit_gateway", parse_bool),
    f"{BRIDGE}gateway_mode_ipv4": ("gateway4", _mode),
    f"{BRIDGE}gateway_mode_ipv6": ("gateway6", _mode),
    f"{NETWORK}host_ipv4": ("source4", _address4),
}
_OPTIONS: Final[dict[str, dict[str, Reader]]] = {
    "bridge": _COMMON | _BRIDGE,
    "macvlan": _COMMON | {"parent": ("parent", _text), "macvlan_mode": ("mode", _text)},
    "ipvlan": _COMMON | {"parent": ("parent", _text), "ipvlan_mode": ("mode", _text)},
}
# They decide between families, and are read where these are.
FAMILIES: Final = (f"{NETWORK}enable_ipv4", f"{NETWORK}enable_ipv6")


def parse_options(driver: str, given: Mapping[str, str]) -> tuple[NetworkOptions, list[str]]:
    """Pure: what the options ask for, and those that the driver does not know: dockerd takes them without a word.

    >>> options, unknown = parse_options("bridge", {"com.docker.network.bridge.enable_icc": "false", "colour": "red"})
    >>> options.icc, unknown
    (False, ['colour'])
    """
    known, fields, unknown = _OPTIONS.get(driver, {}), dict[str, Any](), []
    for name, text in given.items():
        if name in known:
            field, read = known[name]
            fields[field] = read(name, text)
        elif name.startswith(BRIDGE) and driver == "bridge":
            raise Unsupported(f"the network option {name} is not offered")
        elif name == "ipvlan_flag" and driver == "ipvlan" and text != "bridge":
            raise Unsupported(f"the network option {name}={text} is not offered")
        elif name not in FAMILIES and name != "ipvlan_flag":
            unknown.append(name)
    if fields.get("host_ip") == "0.0.0.0":
        fields["host_ip"] = ""
    return NetworkOptions(**fields), unknown

"""Networking as asked for: published ports, endpoints, names."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal, cast

from corral.api.docker import parts
from corral.api.docker.netmode import is_user_defined
from corral.api.docker.settings import Config, EndpointSettings, HostConfig, NetworkingConfig
from corral.errors import InvalidInput, listed
from corral.model.container import EndpointSpec, NetworkSpec, PortBinding

ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls"
IFNAME = "com.docker.network.endpoint.ifname"
Protocol = Literal["tcp", "udp", "sctp"]


def split_port(text: str) -> tuple[str, str]:
    """Pure: (number or range, protocol) of "80", "80/udp".

    >>> split_port("80"), split_port("53/UDP"), split_port("/tcp")
    (('80', 'tcp'), ('53', 'udp'), ('', ''))
    """
    number, _, protocol = text.partition("/")
    return (number, protocol.lower() or "tcp") if number else ("", "")


def parse_range(text: str) -> tuple[int, int]:
    """Pure: (first, last) of "80" or "80-90". ValueError otherwise.

    >>> parse_range("80"), parse_range("80-90")
    ((80, 80), (80, 90))
    """
    found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not 0 <= first <= last <= 65535:
        raise ValueError(f"invalid port: {text}")
    return first, last


def _port(key: str) -> tuple[int, str]:
    """A container's port, as a key of PortBindings or ExposedPorts."""
    number, protocol = split_port(key)
    try:
        first, last = parse_range(number or "0")
    except ValueError:
        first, last = 0, -1
    if first != last:
        raise InvalidInput(f'invalid port specification: "{number}"')
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidInput(f"invalid proto: {protocol}" if key else 'invalid port specification: ""')
    return first, protocol


def check_ports(bindings: dict[str, list[parts.PortBinding]]) -> None:
    """InvalidInput for ports that are none."""
    for key, binds in bindings.items():
        _port(key)
        for bind in binds or []:
            try:
                parse_range(bind.HostPort or "0")
            except ValueError:
                raise InvalidInput(f'invalid port specification: "{bind.HostPort}"') from None
            if bind.HostIp:
                _check_ip(bind.HostIp)


def _check_ip(text: str) -> None:
    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise InvalidInput(f"invalid IP address: {text}") from None


def ports_of(bindings: dict[str, list[parts.PortBinding]]) -> list[PortBinding]:
    """Checked before. A port without a binding is published on any free port of the host.

    >>> [(one.port, one.host_port) for one in ports_of({"81/tcp": []})]
    [(81, 0)]
    >>> [bound] = ports_of({"80/tcp": [parts.PortBinding(HostPort="8000-8010")]})
    >>> bound.port, bound.host_port, bound.host_port_end
    (80, 8000, 8010)
    """
    result = []
    for key, binds in bindings.items():
        port, protocol = _port(key)
        for bind in binds or [parts.PortBinding()]:
            first, last = parse_range(bind.HostPort or "0")
            address = bind.HostIp.removeprefix("[").removesuffix("]")
            result.append(PortBinding(port, cast(Protocol, protocol), address, first, last if last != first else 0))
    return result


def exposed_ports(keys: list[str]) -> list[str]:
    """ "80" and "80/tcp" are the same.

    >>> exposed_ports(["80", "53/udp"])
    ['80/tcp', '53/udp']
    """
    result = []
    for key in keys:
        number, protocol = split_port(key)
        try:
            parse_range(number)
        except ValueError:
            raise InvalidInput(f'invalid port specification: "{key}"') from None
        result.append(f"{number}/{protocol}")
    return result


def network_of(config: Config, host: HostConfig, networking: NetworkingConfig) -> NetworkSpec:
    """InvalidInput for endpoints that make no sense."""
    check_endpoints(networking)
    return NetworkSpec(
        mode=host.NetworkMode,
        endpoints={name: endpoint_spec(e) for name, e in networking.EndpointsConfig.items() if e is not None},
        ports=[] if host.NetworkMode == "host" else ports_of(host.PortBindings),
        publish_all=host.PublishAllPorts,
        dns=host.Dns,
        dns_search=host.DnsSearch,
        dns_options=host.DnsOptions,
        extra_hosts=host.ExtraHosts,
        links=host.Links,
        disabled=config.NetworkDisabled,
    )


def check_endpoints(networking: NetworkingConfig) -> None:
    problems = []
    for name, endpoint in networking.EndpointsConfig.items():
        if endpoint is None:
            problems.append(f"invalid config for network {name}: EndpointsConfig is nil")
            continue
        if endpoint.MacAddress and not is_mac(endpoint.MacAddress):
            problems.append(f"invalid config for network {name}: invalid MAC address {endpoint.MacAddress}")
        elif found := _endpoint_problems(name, endpoint):
            problems.append(f"invalid config for network {name}: invalid endpoint settings:\n{listed(found)}")
    if problems:
        raise InvalidInput(listed(problems))


def _endpoint_problems(name: str, endpoint: EndpointSettings) -> list[str]:
    problems, addresses = [], endpoint.IPAMConfig or parts.EndpointIPAMConfig()
    if not is_user_defined(name):
        if addresses.IPv4Address or addresses.IPv6Address:
            problems.append("user specified IP address is supported on user defined networks only")
        if endpoint.Aliases:
            problems.append("network-scoped alias is supported only for containers in user defined networks")
    for version, text in ((4, addresses.IPv4Address), (6, addresses.IPv6Address)):
        if text and not _is_ip(text, version):
            problems.append(f"invalid IPv{version} address: {text}")
    problems += [
        f"invalid link-local IP address: {text}" for text in addresses.LinkLocalIPs if not _is_link_local(text)
    ]
    for setting in sysctls_of(endpoint):
        words = setting.partition("=")[0].split(".", 4)
        if len(words) != 5 or words[1] not in ("ipv4", "ipv6", "mpls") or words[3] not in ("IFNAME", "ifname"):
            problems.append(
                f"unrecognised network interface sysctl '{setting}'; represent 'net.X.Y.ethN.Z=V' as "
                "'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
            )
    return problems


def sysctls_of(endpoint: EndpointSettings) -> list[str]:
    return [setting for setting in endpoint.DriverOpts.get(ENDPOINT_SYSCTLS, "").split(",") if setting]


def _is_ip(text: str, version: int) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.version == version and not address.is_unspecified


def _is_link_local(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_link_local
    except ValueError:
        return False


def is_mac(text: str) -> bool:
    """
    >>> is_mac("02:42:ac:11:00:02"), is_mac("02-42-AC-11-00-02"), is_mac("02:42")
    (True, True, False)
    """
    return bool(re.fullmatch(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}", text))


def endpoint_spec(endpoint: EndpointSettings) -> EndpointSpec:
    """Checked before."""
    addresses = endpoint.IPAMConfig or parts.EndpointIPAMConfig()
    return EndpointSpec(
        ipv4=addresses.IPv4Address,
        ipv6=addresses.IPv6Address,
        link_local_ips=addresses.LinkLocalIPs,
        mac=endpoint.MacAddress,
        aliases=endpoint.Aliases,
        links=endpoint.Links,
        driver_options=endpoint.DriverOpts,
        gateway_priority=endpoint.GwPriority,
        interface=endpoint.DriverOpts.get(IFNAME, ""),
        sysctls=sysctls_of(endpoint),
    )

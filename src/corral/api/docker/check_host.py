"""The checks of HostConfig apart from resources: what does not go together, and what is not offered."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from corral.api.docker.facts import Facts
from corral.api.docker.mounts import check_mount, check_target
from corral.api.docker.netmode import shared_container
from corral.api.docker.netspec import check_ports
from corral.api.docker.parts import RestartPolicy
from corral.api.docker.settings import Config, HostConfig
from corral.api.docker.volume_options import check_volume_driver
from corral.errors import InvalidInput, Unsupported

CONFLICTS = "conflicting options: "


def check_host(config: Config, host: HostConfig, facts: Facts, exists: Callable[[str], bool]) -> list[str]:
    """InvalidInput or Unsupported in dockerd's words and order; the warnings otherwise."""
    _check_network_mode(config, host)
    _refuse_unsupported(host)
    if host.AutoRemove and host.RestartPolicy and host.RestartPolicy.Name not in ("", "no"):
        raise InvalidInput("can't create 'AutoRemove' container with restart policy")
    for mount in host.Mounts:
        check_mount(mount, exists)
    for entry in host.ExtraHosts:
        check_extra_host(entry)
    check_ports(host.PortBindings)
    check_restart(host.RestartPolicy)
    if "" in host.Annotations:
        raise InvalidInput("invalid Annotations: the empty string is not permitted as an annotation key")
    _check_modes(host)
    for target in host.Tmpfs:
        check_target(target)
    _check_limits(host)
    for server in host.Dns:
        check_address(server)
    facts.runtime_name(host.Runtime)
    return _warnings(host, facts)


def _check_network_mode(config: Config, host: HostConfig) -> None:
    mode = host.NetworkMode
    peer = "" if mode == "container" else shared_container(mode)
    if peer is not None:
        if not peer:
            raise InvalidInput("invalid network mode: invalid container format container:<name|id>")
        undefined = "container type network can't be used with links. This would result in undefined behavior"
        for given, what in (
            (config.Hostname, "hostname and the network mode"),
            (host.Links, undefined),
            (host.Dns, "dns and the network mode"),
            (host.ExtraHosts, "custom host-to-IP mapping and the network mode"),
            (host.PortBindings or host.PublishAllPorts, "port publishing and the container type network mode"),
            (config.ExposedPorts, "port exposing and the container type network mode"),
        ):
            if given:
                raise InvalidInput(CONFLICTS + what)
    if host.UTSMode == "host" and config.Hostname:
        raise InvalidInput(CONFLICTS + "hostname and the UTS mode")
    if host.UTSMode == "host" and config.Domainname:  # dockerd leaves that to the runtime, whose words say less
        raise InvalidInput(CONFLICTS + "domainname and the UTS mode")
    if mode == "host" and host.Links:
        what = "host type networking can't be used with links. This would result in undefined behavior"
        raise InvalidInput(CONFLICTS + what)


def _refuse_unsupported(host: HostConfig) -> None:
    if host.Isolation.lower() not in ("", "default"):
        raise Unsupported(f"invalid isolation ({host.Isolation}): linux only supports 'default'")
    if host.IOMaximumBandwidth:
        raise Unsupported("invalid option: QoS maximum bandwidth configuration is not supported on linux")
    if host.IOMaximumIOps:
        raise Unsupported("invalid option: QoS maximum IOPs configuration is not supported on linux")
    if host.CpuCount:
        raise Unsupported("invalid option: CPU count is not supported on linux; use NanoCpus")
    if host.CpuPercent:
        raise Unsupported("invalid option: CPU percent is not supported on linux; use NanoCpus")
    if host.Cgroup:
        raise Unsupported(f'invalid option: joining the cgroup of another container ("{host.Cgroup}") is not offered')
    for option in sorted(host.StorageOpt):
        if option.lower() != "size":
            raise Unsupported(f"Unknown option {option}")
    if host.StorageOpt:
        raise Unsupported("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")
    for request in host.DeviceRequests:
        wanted = " ".join(f"[{' '.join(words)}]" for words in request.Capabilities)
        raise Unsupported(f'could not select device driver "{request.Driver}" with capabilities: [{wanted}]')
    if host.Binds or host.Mounts:  # without a volume its driver does not matter
        check_volume_driver(host.VolumeDriver)


def check_restart(policy: RestartPolicy | None) -> None:
    """
    >>> check_restart(RestartPolicy(Name="sometimes"))
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', \
'on-failure', or 'unless-stopped'
    """
    if policy is None or policy.Name == "":
        return
    count = policy.MaximumRetryCount
    if policy.Name not in ("no", "always", "on-failure", "unless-stopped"):
        raise InvalidInput(
            f"invalid restart policy: unknown policy '{policy.Name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    if policy.Name == "on-failure" and count < 0:
        raise InvalidInput("invalid restart policy: maximum retry count cannot be negative")
    if policy.Name != "on-failure" and count != 0:
        negative = " and cannot be negative" if count < 0 else ""
        raise InvalidInput(f"invalid restart policy: maximum retry count can only be used with 'on-failure'{negative}")


def check_extra_host(entry: str) -> None:
    """ "name:address"; the address may be "host-gateway", the bridge's.

    >>> check_extra_host("db:host-gateway"); check_extra_host("db:::1"); check_extra_host("db")
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: bad format for add-host: "db"
    """
    name, colon, address = entry.partition(":")
    if not colon or not name:
        raise InvalidInput(f'bad format for add-host: "{entry}"')
    if address != "host-gateway" and not is_address(address.removeprefix("[").removesuffix("]")):
        raise InvalidInput(f'invalid IP address in add-host: "{address}"')


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def check_address(text: str) -> None:
    if not is_address(text):
        raise InvalidInput(f"IP address is not correctly formatted: {text}")


def _check_modes(host: HostConfig) -> None:
    shared = shared_container
    if host.IpcMode not in ("", "none", "private", "host", "shareable") and shared(host.IpcMode) is None:
        raise InvalidInput(f"invalid IPC mode: {host.IpcMode}")
    if host.PidMode not in ("", "host") and not shared(host.PidMode):
        raise InvalidInput(f"invalid PID mode: {host.PidMode}")
    if host.UTSMode not in ("", "host"):
        raise InvalidInput(f"invalid UTS mode: {host.UTSMode}")
    if host.CgroupnsMode not in ("", "private", "host"):
        raise InvalidInput(f"invalid cgroup namespace mode: {host.CgroupnsMode}")
    if host.UsernsMode not in ("", "host"):
        raise InvalidInput(f"invalid USER mode: {host.UsernsMode}")


def _check_limits(host: HostConfig) -> None:
    if host.ShmSize < 0:
        raise InvalidInput("SHM size can not be less than 0")
    if not -1000 <= host.OomScoreAdj <= 1000:
        raise InvalidInput(f"Invalid value {host.OomScoreAdj}, range for oom score adj is [-1000, 1000]")
    for rule in host.DeviceCgroupRules:
        if not re.fullmatch(r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}", rule):
            raise InvalidInput(f"invalid device cgroup rule format: '{rule}'")
    if len(host.ConsoleSize) > 2:
        host.ConsoleSize = host.ConsoleSize[:2]


def _warnings(host: HostConfig, facts: Facts) -> list[str]:
    warnings = ["Image mount is an experimental feature" for mount in host.Mounts if mount.Type == "image"]
    if host.NetworkMode == "host" and host.PortBindings:
        warnings.append("Published ports are discarded when using host network mode")
    if not facts.forwarding and host.NetworkMode not in ("host", "none"):
        warnings.append("IPv4 forwarding is disabled. Networking will not work.")
    return warnings

"""Older versions of the API meant other things by the same fields: here a request becomes one of today's.

Each rule names the version that changed its field. The request is changed in place.
"""

from __future__ import annotations

from corral.api.docker import settings
from corral.api.docker.netmode import endpoint_of, is_bridge, is_private, is_user_defined
from corral.api.docker.netspec import ENDPOINT_SYSCTLS
from corral.api.docker.settings import Config, HostConfig, NetworkingConfig
from corral.errors import InvalidInput

Version = tuple[int, int]

VOLUME_DRIVER_IGNORED = (
    "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. "
    "Use '--mount type=volume,volume-driver=...' instead"
)
MAC_MOVED = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."


def adapt(config: Config, host: HostConfig, networking: NetworkingConfig, version: Version) -> list[str]:
    """Changes a request of an older API into today's; the warnings that dockerd gives with it."""
    _default_network(host, networking)
    if version < (1, 25):
        host.AutoRemove = False
    if version < (1, 40):
        host.KernelMemoryTCP = 0
        host.IpcMode = host.IpcMode or "shareable"
    if version < (1, 42):
        host.ConsoleSize = []
    if version < (1, 43):
        host.Annotations = {}
    if version < (1, 44) and config.Healthcheck is not None:
        config.Healthcheck.StartInterval = 0
    if version < (1, 44) and len(networking.EndpointsConfig) > 1:
        names = ", ".join(networking.EndpointsConfig)
        raise InvalidInput(f"Container cannot be created with multiple network endpoints: {names}")
    for mount in host.Mounts:
        _adapt_mount(mount, version)
    for endpoint in networking.EndpointsConfig.values():
        if endpoint is not None and version < (1, 48):
            endpoint.GwPriority = 0
    if host.PidsLimit is not None and host.PidsLimit <= 0:
        host.PidsLimit = None
    return (
        _volume_driver(host, version)
        + _mac_address(config, host, networking, version)
        + _sysctls(host, networking, version)
    )


def _default_network(host: HostConfig, networking: NetworkingConfig) -> None:
    """ "default" is the bridge, in the mode and in the endpoints."""
    if host.NetworkMode in ("", "default"):
        host.NetworkMode = "bridge"
        if "default" in networking.EndpointsConfig:
            networking.EndpointsConfig["bridge"] = networking.EndpointsConfig.pop("default")


def _adapt_mount(mount: settings.Mount, version: Version) -> None:
    bind = mount.BindOptions
    if bind is not None and version < (1, 40):
        bind.NonRecursive = False
    if version < (1, 42):
        mount.VolumeOptions = mount.VolumeOptions if mount.Type == "volume" else None
        mount.TmpfsOptions = mount.TmpfsOptions if mount.Type == "tmpfs" else None
        if bind is not None:
            bind.CreateMountpoint = False
    else:
        for name, type_ in (("VolumeOptions", "volume"), ("BindOptions", "bind"), ("TmpfsOptions", "tmpfs")):
            if getattr(mount, name) is not None and mount.Type != type_:
                raise InvalidInput(f'{name} must not be specified on mount type "{mount.Type}"')
    if version < (1, 44) and mount.Type == "bind" and bind is not None and bind.ReadOnlyForceRecursive:
        raise InvalidInput("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer")
    if version < (1, 45) and mount.VolumeOptions is not None and mount.VolumeOptions.Subpath:
        raise InvalidInput("VolumeOptions.Subpath needs API v1.45 or newer")
    if version < (1, 48) and mount.Type == "image":
        raise InvalidInput('Mount type "Image" needs API v1.48 or newer')


def _volume_driver(host: HostConfig, version: Version) -> list[str]:
    def names_its_own(mount: settings.Mount) -> bool:
        options = mount.VolumeOptions
        return bool(options and options.DriverConfig and options.DriverConfig.Name)

    if not host.VolumeDriver or version < (1, 48):
        return []
    ambiguous = any(mount.Type == "volume" and not names_its_own(mount) for mount in host.Mounts)
    return [VOLUME_DRIVER_IGNORED] if ambiguous else []


def _mac_address(config: Config, host: HostConfig, networking: NetworkingConfig, version: Version) -> list[str]:
    """The container's one MAC address (before 1.44) moves to the endpoint of its main network."""
    mac, main = config.MacAddress, is_bridge(host.NetworkMode) or is_user_defined(host.NetworkMode)
    if not mac:
        for endpoint in networking.EndpointsConfig.values():
            if endpoint is not None and version < (1, 44):
                endpoint.MacAddress = ""
        return []
    if version < (1, 44) and not main:
        raise InvalidInput("conflicting options: mac-address and the network mode")
    if main:
        endpoint = endpoint_of(host.NetworkMode, networking, version)
        if version >= (1, 44) and endpoint.MacAddress not in ("", mac):
            raise InvalidInput(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, "
                "or be left empty"
            )
        endpoint.MacAddress = mac
    return [MAC_MOVED] if version >= (1, 44) else []


def _sysctls(host: HostConfig, networking: NetworkingConfig, version: Version) -> list[str]:
    """Settings of one interface move to its endpoint: net.ipv4.conf.eth0.x is net.ipv4.conf.IFNAME.x there."""
    moved = {name: value for name, value in host.Sysctls.items() if _interface_of(name)}
    if not moved or not is_private(host.NetworkMode):
        return []
    for name in moved:
        if version > (1, 47):
            raise InvalidInput(
                f'interface specific sysctl setting "{name}" must be supplied '
                f"using driver option '{ENDPOINT_SYSCTLS}'"
            )
        if _interface_of(name) != "eth0":
            raise InvalidInput(
                f"unable to determine network endpoint for sysctl {name}, "
                f"use driver option '{ENDPOINT_SYSCTLS}' to set per-interface sysctls"
            )
    endpoint = endpoint_of(host.NetworkMode, networking, version)
    text = ",".join(f"{name.replace('.eth0.', '.IFNAME.', 1)}={value}" for name, value in moved.items())
    old = endpoint.DriverOpts.get(ENDPOINT_SYSCTLS, "")
    endpoint.DriverOpts[ENDPOINT_SYSCTLS] = f"{text},{old}" if old else text
    host.Sysctls = {name: value for name, value in host.Sysctls.items() if name not in moved}
    return [f'Migrated sysctl "{",".join(moved)}" to DriverOpts{{"{ENDPOINT_SYSCTLS}":"{text}"}}.']


def _interface_of(sysctl: str) -> str:
    """Pure: the interface that a setting is about, or "".

    >>> _interface_of("net.ipv4.conf.eth0.forwarding"), _interface_of("net.ipv4.ip_forward")
    ('eth0', '')
    """
    words = sysctl.split(".", 4)
    return words[3] if len(words) == 5 and words[0] == "net" and words[3].startswith("eth") else ""

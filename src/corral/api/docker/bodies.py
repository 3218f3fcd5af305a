"""The whole bodies that clients send. Only shapes: what the values mean is said where they are translated."""

from __future__ import annotations

from typing import Any

from corral.api.docker import parts, settings
from corral.api.docker.gotypes import Body


class CreateRequest(settings.Config):
    """The body of a container's creation, and of a commit."""

    HostConfig: settings.HostConfig | None = None
    NetworkingConfig: settings.NetworkingConfig | None = None
    Runtime: str = ""  # where docker-py says it; dockerd looks for it in HostConfig alone


class UpdateConfig(settings.Resources):
    RestartPolicy: parts.RestartPolicy | None = None


class IPAMConfig(Body):
    GO = "network.IPAMConfig"
    Subnet: str = ""
    IPRange: str = ""
    Gateway: str = ""
    AuxiliaryAddresses: dict[str, str] = {}


class IPAM(Body):
    GO = "network.IPAM"
    Driver: str = ""
    Options: dict[str, str] | None = None
    Config: list[IPAMConfig] = []


class ConfigReference(Body):
    GO = "network.ConfigReference"
    Network: str = ""


class NetworkCreate(Body):
    GO = "network.CreateRequest"
    Name: str = ""
    CheckDuplicate: bool = False
    Driver: str = ""
    Scope: str = ""
    EnableIPv4: bool | None = None
    EnableIPv6: bool | None = None
    IPAM: IPAM | None = None
    Internal: bool = False
    Attachable: bool = False
    Ingress: bool = False
    ConfigOnly: bool = False
    ConfigFrom: ConfigReference | None = None
    Options: dict[str, str] = {}
    Labels: dict[str, str] = {}


class NetworkConnect(Body):
    GO = "network.ConnectOptions"
    Container: str = ""
    EndpointConfig: settings.EndpointSettings | None = None


class NetworkDisconnect(Body):
    GO = "network.DisconnectOptions"
    Container: str = ""
    Force: bool = False


class VolumeCreate(Body):
    GO = "volume.CreateOptions"
    ClusterVolumeSpec: Any = None
    Driver: str = ""
    DriverOpts: dict[str, str] = {}
    Labels: dict[str, str] = {}
    Name: str = ""


class VolumeClone(Body):
    """Corral's own."""

    GO = "volume.CloneOptions"
    Name: str = ""
    Labels: dict[str, str] = {}
    Pause: bool = False

"""The whole bodies that clients send. Only shapes: what the values mean is said where they are translated."""

from __future__ import annotations

from typing import Any

from corral.api.docker import parts, settings
from corral.api.docker.gotypes import Body


class CreateRequest(settings.Config):
    """The body of a container's creation, and of a commit."""

    HostConfig: settings.HostConfig | None = None
    NetworkingConfig: settings.NetworkingConfig | None = None


class UpdateConfig(settings.Resources):
    RestartPolicy: parts.RestartPolicy | None = None


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

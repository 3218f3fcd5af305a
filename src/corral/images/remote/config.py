"""What the registry client is told: where to go for which registry, whom to trust, how much at a time."""

from __future__ import annotations

from msgspec import field

from corral import __version__
from corral.model.container import Struct


class RemoteConfig(Struct):
    """`mirrors`: registry ("docker.io", "*" for every one) -> base URLs that are asked first.
    `insecure`: hosts, "host:port" or networks ("10.0.0.0/8") that may go without TLS or without a known certificate;
    this machine's own addresses always may. `certificates`: directories like /etc/docker/certs.d.
    `downloads`, `uploads`: layers at a time. `attempts`: tries of a request before it fails. `rides_out`: what is
    under way waits for a registry that restarts (see `retry`).
    """

    mirrors: dict[str, list[str]] = {}
    insecure: list[str] = []
    certificates: list[str] = field(default_factory=lambda: ["/etc/docker/certs.d", "/etc/corral/certs.d"])
    downloads: int = 3
    uploads: int = 5
    attempts: int = 5
    rides_out: bool = True
    user_agent: str = f"corral/{__version__}"

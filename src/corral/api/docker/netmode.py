"""Network modes: "bridge", "host", "none", "container:NAME", or the name of a network that somebody made."""

from __future__ import annotations

from corral.api.docker.settings import EndpointSettings, NetworkingConfig
from corral.errors import InvalidInput


def shared_container(mode: str) -> str | None:
    """The container that a "container:NAME" mode points to; None for any other mode.

    >>> shared_container("container:db"), shared_container("container:"), shared_container("host")
    ('db', '', None)
    """
    kind, colon, name = mode.partition(":")
    return name if colon and kind == "container" else None


def is_bridge(mode: str) -> bool:
    return mode in ("", "default", "bridge")


def is_private(mode: str) -> bool:
    return mode != "host" and shared_container(mode) is None


def is_user_defined(mode: str) -> bool:
    """
    >>> is_user_defined("shop"), is_user_defined("none")
    (True, False)
    """
    return not is_bridge(mode) and mode not in ("host", "none") and shared_container(mode) is None


def endpoint_of(mode: str, networking: NetworkingConfig, version: tuple[int, int]) -> EndpointSettings:
    """The settings of the main network's endpoint, made where missing. InvalidInput where it is unclear which."""
    found = networking.EndpointsConfig
    if not found or found.get(mode, ...) is None:
        found[mode] = EndpointSettings()
    elif mode not in found and version < (1, 44):
        return next(iter(found.values())) or EndpointSettings()
    elif mode not in found:
        raise InvalidInput("HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks")
    endpoint = found[mode]
    assert endpoint is not None
    return endpoint

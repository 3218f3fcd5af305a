"""Networks as every part knows them."""

from __future__ import annotations

from msgspec import field

from corral.model.container import Endpoint, Struct


class NetworkInfo(Struct):
    """One network. `subnet`, `gateway` are empty for drivers without addresses ("host", "null").

    `endpoints` maps the ids of running containers to their places in it.
    """

    name: str
    id: str
    driver: str
    created: int = 0
    subnet: str = ""
    gateway: str = ""
    subnet6: str = ""
    gateway6: str = ""
    bridge: str = ""
    mtu: int = 0
    icc: bool = True
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

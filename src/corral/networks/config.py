"""How the default network is to be, and what was chosen for it."""

from __future__ import annotations

from dataclasses import dataclass

from corral.model.container import Struct

# Away from what docker (172.17.…), podman (10.88.…) and Kubernetes (10.96.…, 10.244.…) take by default.
# The last is for the many: 2048 small ones, when the 48 of the others are taken.
POOLS = ("10.64.0.0/12", "172.16.0.0/12", "192.168.0.0/16", "10.80.0.0/13 24")


@dataclass(frozen=True)
class NetworkConfig:
    """`subnet` "" chooses a free one from the pools; `mtu` 0 is the default route's.

    `icc`: whether containers reach each other directly. `ipv6`: give them IPv6 addresses of `subnet6`
    ("" derives a private one); needs a host that forwards IPv6.
    """

    subnet: str = ""
    pools: tuple[str, ...] = POOLS
    ipv6: bool = False
    subnet6: str = ""
    mtu: int = 0
    icc: bool = True


class Chosen(Struct):
    """What was chosen at the first start, kept for the next: running containers have these addresses."""

    subnet: str
    created: int
    subnet6: str = ""

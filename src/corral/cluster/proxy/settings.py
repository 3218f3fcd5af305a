"""What a proxy must know of its node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PodNetwork:
    """A subnet of pods of this node, and the MAC address of the bridge that they hang on."""

    subnet: str
    mac: str


@dataclass(frozen=True)
class Named:
    """An address that policies take for a pod though no pod has it: the built-in name server's.

    `moved`: (port that policies speak of, port where it is).
    """

    namespace: str
    labels: tuple[tuple[str, str], ...]
    address: str
    moved: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class ProxySettings:
    """`table` names the nftables tables (one for addresses, one for bridges). `pods` are the subnets of all pods of the
    cluster, `local` those of this node.

    Packets that come in through interfaces named like `others` (`*` at the end of a name stands for anything), but not
    like `own`, are left alone. `netns` is a descriptor of the node's network namespace, None for the caller's.
    """

    table: str
    pods: tuple[str, ...] = ()
    local: tuple[PodNetwork, ...] = ()
    named: tuple[Named, ...] = ()
    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    netns: int | None = None

"""The host's settings that containers' traffic needs: it passes packets on between its interfaces."""

from __future__ import annotations

import logging
import os

from corral.errors import from_oserror

log = logging.getLogger("corral")

CONF4 = "/proc/sys/net/ipv4/conf"
CONF6 = "/proc/sys/net/ipv6/conf"


def allow_forwarding(bridge: str) -> None:
    """The host forwards packets, and may lead 127.0.0.1's published ports to this bridge (see `rules`)."""
    _set("/proc/sys/net/ipv4/ip_forward", "1")
    _set(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet", "1")


def allow_further(bridge: str) -> None:
    """The same for a bridge that is only a wire to the first of its network: all routes lead by that one, so what
    comes by this may come from addresses that the host answers by another interface. It never says that the host's
    addresses are here. It needs an address itself: to one without, the kernel applies the strictest filter."""
    allow_forwarding(bridge)
    _set(f"/proc/sys/net/ipv4/conf/{bridge}/rp_filter", "2")
    _set(f"/proc/sys/net/ipv4/conf/{bridge}/arp_ignore", "8")


def answer_for_neighbours(bridge: str, wanted: bool) -> None:
    """Whether who asks on this bridge for the whereabouts of a neighbour is told the bridge's own, at once: neighbours
    that frames cannot reach are reached by way of the host then, where its firewall lets packets through. The host's
    redirects change nothing: a container has no router to a neighbour that they could speak of."""
    _set(f"{CONF4}/{bridge}/proxy_arp_pvlan", str(int(wanted)))
    if wanted:
        _set(f"/proc/sys/net/ipv4/neigh/{bridge}/proxy_delay", "0")


def refuse_advertisements(bridge: str, conf: str = CONF6) -> None:
    """The host takes no IPv6 router for real that somebody on this bridge says to be: a container could lead the
    host's traffic to itself."""
    if _read(f"{conf}/{bridge}/accept_ra"):
        _set(f"{conf}/{bridge}/accept_ra", "0")


def allow_forwarding6(conf: str = CONF6) -> None:
    """The host forwards IPv6: asked for when a container joins a network that has it and leads out.

    An interface that is configured by router advertisements goes on listening to them, which one that forwards does
    not by itself.
    """
    if _read(f"{conf}/all/forwarding") == "1":
        return
    for name in os.listdir(conf):
        if name not in ("all", "default", "lo") and _read(f"{conf}/{name}/accept_ra") == "1":
            _set(f"{conf}/{name}/accept_ra", "2")
    log.warning("the host forwards IPv6 from now on (net.ipv6.conf.all.forwarding=1), for an IPv6 network")
    _set(f"{conf}/all/forwarding", "1")


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:  # a kernel without IPv6, or an interface that has just gone
        return ""


def _set(path: str, value: str) -> None:
    try:
        with open(path, "r+", encoding="ascii") as file:
            if file.read().strip() != value:
                file.seek(0)
                file.write(value)
    except OSError as error:
        raise from_oserror(f"set {path} to {value}", error) from error

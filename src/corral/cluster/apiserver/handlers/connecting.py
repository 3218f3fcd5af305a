"""The subresources that lead out of the server: which there are, and by which methods they are asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.handlers.proxies import Proxies
from corral.cluster.apiserver.handlers.streams import PodStreams
from corral.cluster.apiserver.objects.core import Target
from corral.http.message import Answer

READ: Final = ("GET",)
UPGRADE: Final = ("GET", "POST")
ANY: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class Connect(NamedTuple):
    methods: tuple[str, ...]
    handle: Callable[[Call, Target], Awaitable[Answer]]


def table(streams: PodStreams, proxies: Proxies) -> Mapping[tuple[str, str], Connect]:
    """By (plural, subresource), all of the core group."""
    return {
        ("pods", "log"): Connect(READ, streams.log),
        ("pods", "exec"): Connect(UPGRADE, streams.exec),
        ("pods", "attach"): Connect(UPGRADE, streams.attach),
        ("pods", "portforward"): Connect(UPGRADE, streams.forward),
        ("pods", "proxy"): Connect(ANY, proxies.pod),
        ("services", "proxy"): Connect(ANY, proxies.service),
        ("nodes", "proxy"): Connect(ANY, proxies.node),
    }

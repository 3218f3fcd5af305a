"""How a client wants to stream, and which protocol both know. Pure.

Follows k8s.io/streaming (httpstream.Handshake, wsstream): the client's favourite that the server knows.
"""

from __future__ import annotations

from typing import Final

from corral.http.message import Request
from corral.http.websocket import protocols_of
from corral.model.kubernetes.status import StatusError, bad_request

SPDY: Final = "SPDY/3.1"
SPDY_HEADER: Final = "X-Stream-Protocol-Version"
PROCESS_SPDY: Final = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
PROCESS_SOCKET: Final = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)
LOG_SOCKET: Final = ("binary.k8s.io", "base64.binary.k8s.io", "")
FORWARD_SPDY: Final = "portforward.k8s.io"
FORWARD_TUNNEL: Final = f"{SPDY}+{FORWARD_SPDY}"
FORWARD_SOCKET: Final = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io", "")
_TOKEN: Final = "base64url.bearer.authorization.k8s.io."


def _upgrades(request: Request) -> bool:
    return "upgrade" in {token.strip().lower() for token in request.header("connection").split(",")}


def wants_socket(request: Request) -> bool:
    return _upgrades(request) and request.header("upgrade").lower() == "websocket"


def wants_spdy(request: Request) -> bool:
    return _upgrades(request) and request.header("upgrade").lower() == SPDY.lower()


def upgrade_required() -> StatusError:
    return bad_request("Upgrade request required")


def pick_socket(offered: list[str], known: tuple[str, ...]) -> str:
    """Pure: the protocol on top of a web socket; "": none, where the client has offered none. 403.

    >>> pick_socket(["v6.channel.k8s.io", "v4.channel.k8s.io"], PROCESS_SOCKET), pick_socket([], PROCESS_SOCKET)
    ('v4.channel.k8s.io', '')
    """
    words = [one for one in offered if not one.startswith(_TOKEN)] or [""]
    for one in words:
        if one in known:
            return one
    shown = f"[{' '.join(words)}]; supports [{' '.join(one for one in known if one)}]"
    raise StatusError(403, "Forbidden", f"requested protocol(s) are not supported: {shown}")


def pick_spdy(offered: list[str], known: tuple[str, ...]) -> str:
    """Pure: the protocol of a SPDY connection's streams. 400, 403.

    >>> pick_spdy(["v5.channel.k8s.io, v4.channel.k8s.io", "v3.channel.k8s.io"], PROCESS_SPDY)
    'v4.channel.k8s.io'
    """
    words = [word.strip() for value in offered for word in value.split(",") if word.strip()]
    if not words:
        raise bad_request(f"unable to upgrade: {SPDY_HEADER} is required")
    for one in words:
        if one in known:
            return one
    text = f"client supports [{' '.join(words)}], server accepts [{' '.join(known)}]"
    raise StatusError(403, "Forbidden", f"unable to upgrade: unable to negotiate protocol: {text}")


def spdy_headers(request: Request, known: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The protocol, and the headers that accept it (status 101). 400, 403."""
    found = pick_spdy(request.values(SPDY_HEADER.lower()), known)
    return found, {"Connection": "Upgrade", "Upgrade": SPDY, SPDY_HEADER: found}


def socket_protocol(request: Request, known: tuple[str, ...]) -> str:
    """403."""
    return pick_socket(protocols_of(request), known)

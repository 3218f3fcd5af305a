"""Where a request carries its bearer token: the Authorization header, or a WebSocket's list of protocols."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from corral.cluster.apiserver.authentication.problem import BadCredentials

if TYPE_CHECKING:
    from corral.http.message import Request

PROTOCOL: Final = "base64url.bearer.authorization.k8s.io."


def token_of(request: Request) -> str:
    """The token; "" when there is none. BadCredentials for a WebSocket's that makes no sense."""
    found = request.values("authorization")
    if found and (token := parse_header(found[0])):
        return token
    if request.header("upgrade").lower() == "websocket":
        return parse_protocols(request.header("sec-websocket-protocol"))
    return ""


def parse_header(value: str) -> str:
    """Pure: the token of an Authorization header; "" when it has another scheme.

    >>> parse_header("Bearer abc"), parse_header("bearer  abc"), parse_header("Basic abc")
    ('abc', '', '')
    """
    parts = value.strip().split(" ", 2)
    return parts[1] if len(parts) > 1 and parts[0].lower() == "bearer" else ""


def parse_protocols(value: str) -> str:
    """Pure: the token among the protocols that a browser offers, as it cannot set headers. BadCredentials.

    >>> parse_protocols("base64url.bearer.authorization.k8s.io.YWJj, v5.channel.k8s.io")
    'abc'
    """
    protocols = [one.strip() for one in value.split(",")]
    found = [one.removeprefix(PROTOCOL) for one in protocols if one.startswith(PROTOCOL)]
    if not found:
        return ""
    if len(found) > 1:
        raise BadCredentials("multiple base64.bearer.authorization tokens specified")
    if len(protocols) == 1:
        raise BadCredentials("missing additional subprotocol")
    try:
        return base64.b64decode(found[0] + "=" * (-len(found[0]) % 4), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadCredentials("invalid base64.bearer.authorization token encoding") from None

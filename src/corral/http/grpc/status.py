"""How a call ends: a code and a text, percent-encoded in the trailers. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

OK: Final = 0
CANCELLED: Final = 1
UNKNOWN: Final = 2
INVALID_ARGUMENT: Final = 3
NOT_FOUND: Final = 5
ALREADY_EXISTS: Final = 6
PERMISSION_DENIED: Final = 7
RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14

Headers = list[tuple[str, str]]


class GrpcError(Exception):
    """A call that did not go well. `details` is a google.rpc.Status, encoded; b"" where there is none."""

    def __init__(self, code: int, message: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details


def encode_message(text: str) -> str:
    """What a header can carry of a text.

    >>> encode_message("100% §\\n")
    '100%25 %C2%A7%0A'
    """
    data = text.encode(errors="replace")
    return "".join(chr(one) if 0x20 <= one <= 0x7E and one != 0x25 else f"%{one:02X}" for one in data)


def trailers(code: int = OK, message: str = "", details: bytes = b"") -> Headers:
    """
    >>> trailers(5, "no such job")
    [('grpc-status', '5'), ('grpc-message', 'no such job')]
    """
    found = [("grpc-status", str(code))]
    if message:
        found.append(("grpc-message", encode_message(message)))
    if details:
        found.append(("grpc-status-details-bin", base64.b64encode(details).decode().rstrip("=")))
    return found


def check(headers: Iterable[tuple[str, str]]) -> None:
    """GrpcError, unless the last headers of a call say that it went well.

    >>> check([("grpc-status", "0")])
    >>> check([(":status", "404")])
    Traceback (most recent call last):
    corral.http.grpc.status.GrpcError: the other side does not speak gRPC: HTTP status 404
    """
    found = dict(headers)
    status = found.get("grpc-status")
    if status is None:
        raise GrpcError(UNAVAILABLE, f"the other side does not speak gRPC: HTTP status {found.get(':status', 'none')}")
    if status == "0":
        return
    code = int(status) if status.isascii() and status.isdigit() else UNKNOWN
    raise GrpcError(code, unquote(found.get("grpc-message", ""), errors="replace"), _details(found))


def _details(found: dict[str, str]) -> bytes:
    text = found.get("grpc-status-details-bin", "")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""

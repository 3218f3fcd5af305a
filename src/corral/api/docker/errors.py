"""What the engine's errors become on the wire: one table of status codes, one shape of body."""

from __future__ import annotations

from typing import Final

from corral.api.docker.answers import reply
from corral.errors import (
    Conflict,
    CorralError,
    Forbidden,
    HostError,
    InvalidInput,
    NotFound,
    RemoteFailed,
    RuntimeFailed,
    Unauthorized,
    Unavailable,
    Unchanged,
    Unsupported,
)
from corral.http.message import Response

# The nearest class in the error's own line of ancestors counts.
STATUS: Final[dict[type[CorralError], int]] = {
    InvalidInput: 400,
    Unsupported: 501,
    NotFound: 404,
    Conflict: 409,
    Unchanged: 304,
    Forbidden: 403,
    Unauthorized: 401,
    RemoteFailed: 500,
    Unavailable: 503,
    HostError: 500,
    CorralError: 500,
}


def status_of(error: CorralError) -> int:
    """Pure. A program that does not exist or cannot be executed is the client's mistake, as dockerd sees it.

    >>> status_of(NotFound("")), status_of(RuntimeFailed("", 127)), status_of(RuntimeFailed("", 128))
    (404, 400, 500)
    """
    if isinstance(error, RuntimeFailed) and error.exit_code in (126, 127):
        return 400
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def error_response(status: int, message: str) -> Response:
    return reply({"message": message}, status)


def plain_error(status: int, message: str) -> Response:
    """For clients so old that they would show JSON as it is."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return Response(status, headers, message.encode() + b"\n")

"""Answers: bytes with the headers that say what they are, compressed where that pays."""

from __future__ import annotations

import asyncio
import importlib
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec

from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.encoding.accept import JSON, YAML, Accepted
from corral.http.message import Request, Response
from corral.model.kubernetes.status import PageNotFound, StatusError

GZIP_FROM: Final = 128 * 1024  # bytes
IN_THREAD_FROM: Final = 1024 * 1024  # bytes that take too long to compress for the event loop
_FORM: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"
_PLAIN: Final = Accepted(JSON)
_BROWSERS: Final = ("curl", "Wget", "Mozilla/5.0")


def wants_pretty(request: Request, accepted: Accepted) -> bool:
    """Whether a human seems to read it, or says so."""
    if "pretty" in request.query:
        return request.query.get("pretty").lower() in ("1", "t", "true")
    return accepted.pretty or request.header("user-agent").startswith(_BROWSERS)


async def answer(
    request: Request, body: bytes, accepted: Accepted, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON bytes as the client wants them: as they are, indented, as YAML, compressed."""
    found = {"Content-Type": accepted.content_type, "Cache-Control": "no-cache, private", **(headers or {})}
    if accepted.media == YAML:
        from corral.cluster.apiserver.encoding.yaml_text import encode as to_yaml

        body = to_yaml(msgspec.json.decode(body))
    elif wants_pretty(request, accepted):
        body = msgspec.json.format(body, indent=2)
    if len(body) >= GZIP_FROM and takes_gzip(request.header("accept-encoding")):
        compress = asyncio.to_thread(gzip, body) if len(body) >= IN_THREAD_FROM else None
        body = await compress if compress else gzip(body)
        found |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(status, found, body)


def takes_gzip(header: str) -> bool:
    """Pure.

    >>> takes_gzip("br, gzip;q=0.5"), takes_gzip("gzip;q=0"), takes_gzip("")
    (True, False, False)
    """
    for part in header.split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0")
    return False


@cache
def _compressor() -> tuple[Any, int]:
    try:
        return importlib.import_module("isal.isal_zlib"), 0
    except ImportError:
        return zlib, 1


def gzip(data: bytes) -> bytes:
    """Fast rather than small: clients on the same machine are the rule."""
    library, level = _compressor()
    made = library.compressobj(level, zlib.DEFLATED, 31)
    return bytes(made.compress(data)) + bytes(made.flush())


def gunzip(data: bytes) -> bytes:
    """The way back.

    >>> gunzip(gzip(b"hello"))
    b'hello'
    """
    library, _ = _compressor()
    return bytes(library.decompress(data, 31))


def failure(error: StatusError, request: Request) -> Response:
    """A Status. It is always JSON: who cannot read the answer wants to read the error at least."""
    headers = {"Content-Type": JSON, "Cache-Control": "no-cache, private"}
    if isinstance(error, PageNotFound):
        return Response(error.code, headers | {"Content-Type": _TEXT}, PageNotFound.TEXT.encode())
    if seconds := error.details.get("retryAfterSeconds"):
        headers["Retry-After"] = str(seconds)
    body = encode(error.status())
    return Response(error.code, headers, msgspec.json.format(body, indent=2) if wants_pretty(request, _PLAIN) else body)


def success(details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Pure: the Status of something that went well."""
    found: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        found["details"] = dict(details)
    return found


def warning_headers(texts: list[str]) -> dict[str, str]:
    """Pure: one header with all warnings (RFC 7234): the text quoted, control characters out of it.

    >>> warning_headers(['unknown field "spec.x"'])
    {'Warning': '299 - "unknown field \\\\"spec.x\\\\""'}
    """
    if not texts:
        return {}
    quoted = []
    for text in dict.fromkeys(texts):
        clean = "".join(char if char.isprintable() else " " for char in text)
        escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
        quoted.append(f'299 - "{escaped}"')
    return {"Warning": ", ".join(quoted)}

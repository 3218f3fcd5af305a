"""Sending an answer: whole, piece by piece, or out of a file."""

from __future__ import annotations

import logging
import time
from typing import Any

from corral.errors import CorralError
from corral.http.body import ClientGone
from corral.http.message import FileResponse, Request, Response, StreamResponse
from corral.http.outgoing import Outgoing
from corral.http.render import LAST_CHUNK, bodyless, chunk, http_date, keep_alive_headers, response_head

log = logging.getLogger("corral.http")


async def send_whole(out: Outgoing, request: Request, answer: Response, keep: bool) -> None:
    headers = _common(request, answer, keep)
    body = answer.body
    if bodyless(answer.status):
        body = b""
    else:
        headers.setdefault("Content-Length", str(len(body)))
    head = response_head(answer.status, headers)
    out.send(head if request.method == "HEAD" else head + body)
    await out.drained()


async def send_stream(out: Outgoing, request: Request, answer: StreamResponse, keep: bool) -> bool:
    """Sends the pieces as they come; whether the connection may be used again. HTTP/1.0 has no chunks: there the end
    of the connection is the end of the answer."""
    announced = answer.headers.get("Content-Length")
    chunked = request.version == "1.1" and announced is None
    keep = keep and (chunked or announced is not None)
    headers = _common(request, answer, keep)
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    try:
        out.send(response_head(answer.status, headers))
        if request.method != "HEAD":
            sent = await _send_chunks(out, answer, chunked)
            _check_sent(request, sent, announced)
    except Exception as error:
        _tell(request, error)
        out.abort()  # an answer without its end: the client must not take it for complete
        return False
    return keep


async def _send_chunks(out: Outgoing, answer: StreamResponse, chunked: bool) -> int:
    """The number of bytes."""
    sent = 0
    await out.drained()
    async for data in answer.chunks:
        if data:
            sent += len(data)
            out.send_soon(chunk(data) if chunked else data)
            await out.drained()
    if chunked:
        out.send(LAST_CHUNK)
        await out.drained()
    return sent


def _check_sent(request: Request, sent: int, announced: str | None) -> None:
    if announced is not None and int(announced) != sent:
        raise RuntimeError(f"{request.method} {request.raw_path}: sent {sent} bytes of {announced}")


async def send_file(out: Outgoing, request: Request, answer: FileResponse, keep: bool) -> bool:
    """Sends a part of a file; whether the connection may be used again."""
    headers = _common(request, answer, keep) | {"Content-Length": str(answer.count)}
    try:
        out.send(response_head(answer.status, headers))
        if request.method != "HEAD" and answer.count:
            sent = await out.send_file(answer.file, answer.offset, answer.count)
            _check_sent(request, sent, headers["Content-Length"])
        await out.drained()
    except Exception as error:
        _tell(request, error)
        out.abort()
        return False
    return keep


def _tell(request: Request, error: Exception) -> None:
    """Why an answer broke off: what was raised on purpose says all in its message, anything else is a bug."""
    if isinstance(error, CorralError):
        log.error("the answer to %s %s broke off: %s", request.method, request.raw_path, error.message)
    elif not isinstance(error, ClientGone):
        log.error("the answer to %s %s broke off", request.method, request.raw_path, exc_info=error)


async def close_chunks(chunks: Any) -> None:
    """Closes an async generator, so that its `finally` has run; other iterators need nothing."""
    if hasattr(chunks, "aclose"):
        await chunks.aclose()


def _common(request: Request, answer: Response | StreamResponse | FileResponse, keep: bool) -> dict[str, str]:
    return answer.headers | {"Date": http_date(int(time.time()))} | keep_alive_headers(request.version, keep)

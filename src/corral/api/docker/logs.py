"""A container's log: framed or raw, with times and details where asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from corral.api.docker.at import name_of, version_of
from corral.api.docker.moments import parse_moment
from corral.api.docker.streams import STDERR, STDOUT, SYSTEM_ERROR, content_type, frame
from corral.errors import CorralError, InvalidInput
from corral.http.message import Request, StreamResponse
from corral.kit.clock import SECOND, to_rfc3339
from corral.model.process import LogEntry, LogQuery

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi


async def container_logs(api: DockerApi, request: Request) -> StreamResponse:
    """Whatever is wrong with the question is said before the stream begins."""
    query, engine = request.query, api.engine
    stdout, stderr = query.flag("stdout"), query.flag("stderr")
    if not (stdout or stderr):
        raise InvalidInput("Bad parameters: you must choose at least one stream")
    now = engine.parts.clock.now()
    container = engine.containers.get(name_of(request))
    asked = LogQuery(
        stdout=stdout,
        stderr=stderr,
        since=moment("since", query.get("since"), now),
        until=moment("until", query.get("until"), now),
        tail=tail(query.get("tail")),
        follow=query.flag("follow") and container.state.running,
    )
    entries = engine.containers.logs(container.id, asked)
    frames = not container.spec.tty
    details = details_of(engine.containers.log_details(container.id)) + b" " if query.flag("details") else b""
    lines = render(entries, frames=frames, timestamps=query.flag("timestamps"), details=details)
    return StreamResponse(lines, 200, {"Content-Type": content_type(version_of(request), frames)})


def moment(name: str, text: str, now: int) -> int:
    """Pure: nanoseconds since the epoch; 0 for no bound. InvalidInput."""
    if text in ("", "0"):
        return 0
    try:
        return parse_moment(text, now)
    except InvalidInput as error:
        raise InvalidInput(f'invalid value for "{name}": {error.message}') from None


def tail(text: str) -> int:
    """Pure: how many lines from the end; -1, all of them, for anything that is no number.

    >>> tail("10"), tail("all"), tail(""), tail("-5")
    (10, -1, -1, -1)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else -1


async def render(
    entries: AsyncIterator[LogEntry], *, frames: bool, timestamps: bool, details: bytes
) -> AsyncIterator[bytes]:
    """The entries as bytes. What stands before a line stands there once, also where the line comes in parts."""
    inside: dict[str, bool] = {}
    try:
        async for entry in entries:
            data = entry.data
            if not inside.get(entry.stream):
                data = (timestamp(entry.time) if timestamps else b"") + details + data
            inside[entry.stream] = entry.partial
            yield frame(STDOUT if entry.stream == "stdout" else STDERR, data) if frames else data
    except CorralError as error:
        text = f"Error grabbing logs: {error.message}\n".encode()
        yield frame(SYSTEM_ERROR, text) if frames else text
    finally:
        if hasattr(entries, "aclose"):
            await entries.aclose()


_second = (-1, b"")


def timestamp(ns: int) -> bytes:
    """The time of a line with all nine digits, and the space behind it.

    >>> timestamp(1_700_000_000_120_000_000)
    b'2023-11-14T22:13:20.120000000Z '
    """
    global _second
    seconds, rest = divmod(ns, SECOND)
    if _second[0] != seconds:  # the lines of a log come in order: the text of a second serves many
        _second = (seconds, to_rfc3339(seconds * SECOND)[:-1].encode())
    return b"%b.%09dZ " % (_second[1], rest)


def details_of(found: Mapping[str, str]) -> bytes:
    """Pure: what the log's options name, in alphabetical order.

    >>> details_of({"tag": "web/1", "a": "b c"})
    b'a=b+c,tag=web%2F1'
    """
    return ",".join(f"{quote_plus(key)}={quote_plus(found[key])}" for key in sorted(found)).encode()

"""Downloads: a file behind a URL that belongs to no registry. Blocking, but for `stream`."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from urllib.parse import unquote, urlsplit, urlunsplit

from corral.errors import CorralError, Forbidden, InvalidInput, NotFound, RemoteFailed, Unauthorized
from corral.images.remote.cancel import Cancel
from corral.images.remote.wire import Reply, Wire, WireError, pointed
from corral.linux.streams import produce

_REDIRECTS, _MOST_REDIRECTS = (301, 302, 303, 307, 308), 10
_LARGEST_REASON = 64 << 10  # bytes of an answer that is an error
_MEANING: Mapping[int, type[CorralError]] = {400: InvalidInput, 401: Unauthorized, 403: Forbidden, 404: NotFound}


def source_url(source: str) -> str:
    """The URL that a source means, which may leave out its `http://`. InvalidInput. Pure.

    >>> source_url("files.example/root.tar")
    'http://files.example/root.tar'
    >>> source_url("%2Fdata%2Ffile.tar")
    Traceback (most recent call last):
    corral.errors.InvalidInput: parse "http://%2Fdata%2Ffile.tar": invalid URL escape "%2F"
    """
    url = source if "://" in source else f"http://{source}"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise InvalidInput(f'parse "{url}": {error}') from None
    if parts.scheme not in ("http", "https"):
        raise InvalidInput(f'Get "{url}": unsupported protocol scheme "{parts.scheme}"')
    if not parts.hostname:
        raise InvalidInput(f'Get "{url}": http: no Host in request URL')
    if escape := re.search("%[0-9A-Fa-f]{2}", parts.hostname):
        raise InvalidInput(f'parse "{url}": invalid URL escape "{escape[0].upper()}"')
    return url


def credentials_in(url: str) -> tuple[str, dict[str, str]]:
    """A URL without its user, and the header that says who they are. Pure.

    >>> credentials_in("https://me:pw@a/b")
    ('https://a/b', {'Authorization': 'Basic bWU6cHc='})
    """
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, "")).replace(" ", "%20")
    if parts.username is None:
        return bare, {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return bare, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def follow(wire: Wire, url: str, headers: Mapping[str, str], cancel: Cancel) -> Reply:
    """The answer behind all redirects; only the first server learns who asks. WireError, RemoteFailed."""
    place, first = url, True
    for _ in range(_MOST_REDIRECTS + 1):
        bare, who = credentials_in(place)
        reply = wire.request("GET", bare, {**headers, **(who if first else {})}, insecure=False, cancel=cancel)
        if reply.status not in _REDIRECTS or not reply.header("Location"):
            return reply
        reply.close()
        place, first = pointed(bare, reply.header("Location")), False
    raise RemoteFailed(f'Get "{url}": stopped after {_MOST_REDIRECTS} redirects')


def get(wire: Wire, url: str, cancel: Cancel) -> Reply:
    """The answer, which is a success. Otherwise NotFound, Unauthorized, Forbidden, InvalidInput or RemoteFailed, with
    what the server says; WireError."""
    reply = follow(wire, url, {"User-Agent": "corral"}, cancel)
    if reply.status < 400:
        return reply
    with reply:
        said = reply.read(_LARGEST_REASON).decode("utf-8", "replace").strip()
    text = f"failed to GET {url} with status {reply.status} {reply.reason}: {said}"
    raise _MEANING.get(reply.status, RemoteFailed)(text)


async def stream(wire: Wire, url: str) -> AsyncGenerator[bytes, None]:
    """What is behind the URL, piece by piece. The errors of `get`; closing it ends the download."""
    cancel = Cancel()

    def work(write: Callable[[bytes], None]) -> None:
        with get(wire, url, cancel) as reply:
            for piece in reply.pieces():
                write(piece)

    async with aclosing(produce(work, name="download")) as pieces:
        try:
            async for piece in pieces:
                yield piece
        except WireError as error:
            raise (NotFound if "no such host" in error.text else RemoteFailed)(error.text) from error
        finally:
            cancel.stop()

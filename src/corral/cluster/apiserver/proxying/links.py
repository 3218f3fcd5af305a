"""Links of a page that came through a proxy: those to the pod's own root lead through the proxy again.

Follows upstream's proxy (util/proxy.Transport): which attributes of which elements are links, and that pages in plain
and in gzip are looked at, others are not. All other bytes stay as they are.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from corral.cluster.apiserver.proxying.heads import through

LONGEST: Final = 64 << 10  # bytes that may be one tag
GZIP: Final = 16 + zlib.MAX_WBITS
COMMENT: Final = b"<!--"
_TAG: Final = re.compile(rb"<([a-zA-Z][^\s/>]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE: Final = re.compile(rb"(\s([^\s=/>\"']+)\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s>\"']+)")
_NO_MARKUP: Final = frozenset((b"script", b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes"))
LINKS: Final[dict[bytes, frozenset[bytes]]] = {
    element: frozenset(names.split())
    for element, names in {
        b"a": b"href", b"applet": b"codebase", b"area": b"href", b"audio": b"src", b"base": b"href",
        b"blockquote": b"cite", b"body": b"background", b"button": b"formaction", b"command": b"icon", b"del": b"cite",
        b"embed": b"src", b"form": b"action", b"frame": b"longdesc src", b"head": b"profile", b"html": b"manifest",
        b"iframe": b"longdesc src", b"img": b"longdesc src usemap", b"input": b"formaction src usemap", b"ins": b"cite",
        b"link": b"href", b"object": b"classid codebase data usemap", b"q": b"cite", b"script": b"src",
        b"source": b"src", b"track": b"src", b"video": b"poster src",
    }.items()
}  # fmt: skip


class Links:
    """`feed` it a page in pieces, get back what is known of it; `end` gives the rest.

    >>> links = Links("/p", [])
    >>> links.feed(b'<a href="/x">one</a> <a hre') + links.feed(b"f='y'>two</a> <") + links.end()
    b'<a href="/p/x">one</a> <a href=\\'y\\'>two</a> <'
    """

    def __init__(self, prefix: str, hosts: Iterable[str]) -> None:
        self._prefix, self._hosts = prefix, tuple(hosts)
        self._held = b""
        self._until = b""  # what ends the comment, or the text that is no markup

    def feed(self, data: bytes) -> bytes:
        text, at, told = self._held + data, 0, list[bytes]()
        while at < len(text):
            piece, length = self._passed(text, at) if self._until else self._next(text, at)
            if not length:
                break
            told.append(piece)
            at += length
        self._held = text[at:]
        return b"".join(told)

    def end(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _passed(self, text: bytes, at: int) -> tuple[bytes, int]:
        """(what is told, how many bytes that was): 0 where more must be known first."""
        end = text.lower().find(self._until, at)
        if end >= 0:
            end, self._until = end + len(self._until), b""
        else:
            end = max(at, len(text) - len(self._until) + 1)
        return text[at:end], end - at

    def _next(self, text: bytes, at: int) -> tuple[bytes, int]:
        """The same: up to the next `<`, or what begins there."""
        start = text.find(b"<", at)
        if start != at:
            end = len(text) if start < 0 else start
            return text[at:end], end - at
        begin = text[at : at + len(COMMENT)]
        if begin == COMMENT:
            self._until = b"-->"
            return begin, len(begin)
        if COMMENT.startswith(begin):
            return b"", 0
        found = _TAG.match(text, at) if begin[1:2].isalpha() else None
        if found is None:
            is_open = begin[1:2].isalpha() and len(text) - at <= LONGEST
            return (b"", 0) if is_open else (b"<", 1)
        name = found[1].lower()
        if name in _NO_MARKUP:
            self._until = b"</" + name
        return self._tag(found, LINKS.get(name, frozenset())), len(found[0])

    def _tag(self, found: re.Match[bytes], links: frozenset[bytes]) -> bytes:
        if not links:
            return found[0]

        def changed(one: re.Match[bytes]) -> bytes:
            return one[1] + self._link(one[3]) if one[2].lower() in links else one[0]

        return b"<" + found[1] + _ATTRIBUTE.sub(changed, found[2]) + b">"

    def _link(self, value: bytes) -> bytes:
        quote = value[:1] if value[:1] in (b'"', b"'") else b""
        link = (value[1:-1] if quote else value).decode("latin-1")
        if link.startswith(self._prefix):
            return value
        with suppress(ValueError):  # no address at all
            link = through(link, self._prefix, self._hosts)
        return quote + link.encode("latin-1") + quote


def is_page(headers: Mapping[str, str]) -> bool:
    """Pure: whether a body of these headers has links to look after.

    >>> is_page({"Content-Type": "text/html; charset=utf-8"}), is_page({"content-type": "application/json"})
    (True, False)
    """
    found = {name.lower(): value for name, value in headers.items()}
    kind = found.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("", "text/html") and found.get("content-encoding", "") in ("", "identity", "gzip")


class Body(Protocol):
    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Page:
    """A body with its links changed, in the coding that it came in. zlib.error for one that is not."""

    def __init__(self, body: Body, links: Links, *, gzip: bool) -> None:
        self._body, self._links = body, links
        self._unpack = zlib.decompressobj(GZIP) if gzip else None
        self._pack = zlib.compressobj(wbits=GZIP) if gzip else None
        self._pieces = self._tell()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def _tell(self) -> AsyncGenerator[bytes, None]:
        async for data in self._body:
            if told := self._coded(self._links.feed(self._unpack.decompress(data) if self._unpack else data)):
                yield told
        last = self._coded(self._links.end()) + (self._pack.flush() if self._pack else b"")
        if last:
            yield last

    def _coded(self, data: bytes) -> bytes:
        return self._pack.compress(data) if self._pack else data

    async def aclose(self) -> None:
        await self._pieces.aclose()
        await self._body.aclose()

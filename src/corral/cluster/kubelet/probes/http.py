"""Asking over HTTP: anything from 200 to 399 is good. Certificates are not checked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from corral.cluster.kubelet.probes.answer import Answer, refusal
from corral.kit.timeouts import fair_timeout

Object = dict[str, Any]

MOST_HEAD: Final = 64 << 10
MOST_BODY: Final = 10 << 10
MOST_REDIRECTS: Final = 10
AGENT: Final = "kube-probe/1.37"


class Target(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def plan_request(target: Target, headers: Sequence[Object]) -> bytes:
    """Pure: the bytes of a GET. A header of the pod's replaces ours.

    >>> plan_request(Target("http", "10.0.0.2", 80, "/x"), [{"name": "Host", "value": "web"}]).split(b"\\r\\n")[:2]
    [b'GET /x HTTP/1.1', b'Host: web']
    """
    host = f"[{target.host}]" if ":" in target.host else target.host
    mine = {"host": f"{host}:{target.port}", "user-agent": AGENT, "accept": "*/*"}
    given = [(str(one["name"]), str(one.get("value", ""))) for one in headers]
    for name, _ in given:
        mine.pop(name.lower(), None)
    lines = [f"GET {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in given if value)]
    lines += [f"{name.title()}: {value}" for name, value in mine.items()]
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()


class Reply(NamedTuple):
    code: int
    location: str
    body: bytes


class Head(NamedTuple):
    code: int
    location: str
    length: int  # bytes of the body that follow at most

    @property
    def preliminary(self) -> bool:
        return 100 <= self.code < 200


def parse_head(lines: Sequence[bytes]) -> Head:
    """Pure. Lines end as they like: scripts behind a web server write no CR. ValueError for what is no HTTP.

    >>> parse_head([b"HTTP/1.1 302 Found\\r\\n", b"Location: /y\\n", b"Content-Length: 4\\n"])
    Head(code=302, location='/y', length=4)
    >>> parse_head([b"HTTP/1.1 204 No Content\\r\\n"])
    Head(code=204, location='', length=0)
    """
    first, *rest = [line.decode("latin-1").rstrip("\r\n") for line in lines]
    version, _, status = first.partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError(f"malformed HTTP response {first!r}")
    code = int(status[:3])
    fields: dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    length = MOST_BODY
    if code in (204, 304) or 100 <= code < 200:
        length = 0
    elif "transfer-encoding" not in fields and (said := fields.get("content-length", "")).isascii() and said.isdigit():
        length = min(length, int(said))
    return Head(code, fields.get("location", ""), length)


async def ask(
    target: Target, headers: Sequence[Object], timeout: float, judge: Callable[[Reply], Answer] | None = None
) -> Answer:
    """Redirects to the same host are followed; one to another host is a good answer. `judge`: by default `judged`."""
    judge = judge or judged
    try:
        async with fair_timeout(timeout):
            for _ in range(MOST_REDIRECTS):
                reply = await get(target, headers)
                following = _redirected(target, reply)
                if following is None:
                    return judge(reply)
                target = following
            return Answer(False, f'Get "{target.url}": stopped after {MOST_REDIRECTS} redirects')
    except TimeoutError:
        reason = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Answer(False, f'Get "{target.url}": {reason}')
    except ConnectionError as error:
        return Answer(False, f'Get "{target.url}": {refusal(target.host, target.port, error)}')
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        reason = "EOF" if isinstance(error, asyncio.IncompleteReadError) else str(error)
        return Answer(False, f'Get "{target.url}": {reason}')


def judged(reply: Reply) -> Answer:
    """Pure.

    >>> judged(Reply(503, "", b"no")).output
    'HTTP probe failed with statuscode: 503'
    """
    if 200 <= reply.code < 400:
        return Answer(True, reply.body.decode(errors="replace"))
    return Answer(False, f"HTTP probe failed with statuscode: {reply.code}")


def told(reply: Reply) -> Answer:
    """Pure. A hook tells a container something: whoever answers has heard it, whatever the answer.

    >>> told(Reply(404, "", b"no"))
    Answer(good=True, output='no', errored=False)
    """
    return Answer(True, reply.body.decode(errors="replace"))


def _redirected(target: Target, reply: Reply) -> Target | None:
    if reply.code not in (301, 302, 303, 307, 308) or not reply.location:
        return None
    parts = urlsplit(urljoin(target.url, reply.location))
    if parts.hostname != target.host:
        return None
    path = parts.path or "/"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Target(parts.scheme, target.host, port, f"{path}?{parts.query}" if parts.query else path)


async def get(target: Target, headers: Sequence[Object]) -> Reply:
    context = None
    if target.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context, limit=MOST_HEAD)
    try:
        writer.write(plan_request(target, headers))
        await writer.drain()
        while (head := parse_head(await _head(reader))).preliminary:
            pass
        body = await reader.read(head.length)  # who has none may leave the connection open
        return Reply(head.code, head.location, body)
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def _head(reader: asyncio.StreamReader) -> list[bytes]:
    """The lines before the empty one. IncompleteReadError where that does not come, ValueError for too many."""
    lines: list[bytes] = []
    while (line := await reader.readuntil(b"\n")) not in (b"\r\n", b"\n"):
        lines.append(line)
        if sum(map(len, lines)) > MOST_HEAD:
            raise ValueError(f"server response headers exceeded {MOST_HEAD} bytes; aborted")
    if not lines:
        raise ValueError("malformed HTTP response ''")
    return lines

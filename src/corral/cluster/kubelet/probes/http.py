"""Asking over HTTP: anything from 200 to 399 is good. Certificates are not checked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

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


def parse_head(head: bytes) -> tuple[int, str]:
    """Pure: (status code, where it points to). ValueError for what is no HTTP.

    >>> parse_head(b"HTTP/1.1 302 Found\\r\\nLocation: /y\\r\\n\\r\\n")
    (302, '/y')
    """
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError(f"malformed HTTP response {lines[0]!r}")
    location = next((line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("location:")), "")
    return int(rest[:3]), location


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
    parts = urlsplit(reply.location)
    if parts.hostname and parts.hostname != target.host:
        return None
    scheme = parts.scheme or target.scheme
    port = parts.port or (target.port if not parts.hostname else 443 if scheme == "https" else 80)
    path = parts.path or "/"
    return Target(scheme, target.host, port, f"{path}?{parts.query}" if parts.query else path)


async def get(target: Target, headers: Sequence[Object]) -> Reply:
    context = None
    if target.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context, limit=MOST_HEAD)
    try:
        writer.write(plan_request(target, headers))
        await writer.drain()
        code, location = parse_head(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.read(MOST_BODY)
        return Reply(code, location, body)
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()

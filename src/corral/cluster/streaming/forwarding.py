"""Forwarded ports: connections to ports of a pod, each as a pair of streams, data and error.

Follows k8s.io/kubelet's portforward: through SPDY the client opens a pair for each connection; through channels there
is one connection for each port that was asked for.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from corral.cluster.client.nodes import Connection
from corral.cluster.streaming.options import parse_port
from corral.cluster.streaming.socket_console import Channels, Held
from corral.cluster.streaming.timed import Timed
from corral.http.message import ClientGone
from corral.http.spdy import frames
from corral.http.spdy.session import Session, SpdyStream, Transport
from corral.http.stream import Duplex
from corral.kit.tasks import Tasks
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import StatusError

PAIR_SECONDS: Final = 30.0  # between the two streams of a pair

Connect = Callable[[int], Awaitable[Connection]]
Write = Callable[[bytes], Awaitable[None]]


class Readable(Protocol):
    async def read(self) -> bytes: ...


def cause_of(error: StatusError) -> str:
    """Pure: an error without the words of an internal one.

    >>> from corral.model.kubernetes.status import internal
    >>> cause_of(internal("connection refused"))
    'connection refused'
    """
    causes = error.details.get("causes") or []
    return str(causes[0].get("message", error.message)) if len(causes) == 1 else error.message


def failure_text(pod: Object, port: int, error: StatusError) -> bytes:
    """Pure: what the error stream says of a connection that could not be made."""
    meta = pod["metadata"]
    text = f"error forwarding port {port} to pod {meta['name']}, uid {meta.get('uid', '')}: {cause_of(error)}"
    return text.encode()


async def pump(client: Readable, send: Write, connection: Connection) -> None:
    """Moves bytes both ways until the pod's end has closed. The client's half-close is handed on. ClientGone."""

    async def upwards() -> None:
        try:
            while data := await client.read():
                await connection.write(data)
            await connection.end()
        except OSError:
            pass  # the pod reads no more; what it still says is handed on

    up = asyncio.create_task(upwards(), name="forward up")
    try:
        while data := await connection.read():
            await send(data)
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)
        await connection.close()


class SpdyForwarding:
    """Pairs of streams, as the client opens them."""

    def __init__(self, transport: Transport, pod: Object, connect: Connect) -> None:
        self._session = Session(transport)
        self._pod, self._connect = pod, connect
        self._pairs: dict[str, dict[str, SpdyStream]] = {}
        self._tasks = Tasks()

    async def run(self, wire: Timed) -> None:
        """Returns when the client has left, or has been idle for too long."""
        try:
            await wire.run(self._session.run(), self._accept())
        finally:
            await self._tasks.close()

    async def _accept(self) -> None:
        while (stream := await self._session.accept()) is not None:
            kind, port = stream.headers.get("streamtype", ""), stream.headers.get("port", "")
            try:
                parse_port(port)
            except StatusError:
                kind = ""
            if kind not in ("data", "error"):
                await stream.reset(frames.REFUSED_STREAM)
                continue
            await self._add(kind, stream)

    async def _add(self, kind: str, stream: SpdyStream) -> None:
        # The first clients numbered no requests: the error stream came first, and data right after it.
        number = stream.headers.get("requestid") or str(stream.id - 2 if kind == "data" else stream.id)
        pair = self._pairs.setdefault(number, {})
        if kind in pair:
            await stream.reset(frames.PROTOCOL_ERROR)
            return
        pair[kind] = stream
        if len(pair) == 1:
            self._tasks.start("forward pair", self._expire(number, stream))
        else:
            del self._pairs[number]
            self._tasks.start("forward connection", self._forward(pair["data"], pair["error"]))

    async def _expire(self, number: str, first: SpdyStream) -> None:
        """A pair that stays half is given up."""
        await asyncio.sleep(PAIR_SECONDS)
        pair = self._pairs.get(number)
        if pair is not None and first in pair.values():
            del self._pairs[number]
            await first.reset()

    async def _forward(self, data: SpdyStream, error: SpdyStream) -> None:
        port = int(data.headers["port"])
        work = asyncio.create_task(self._serve(port, data, error), name="forward pump")
        gone = asyncio.create_task(data.gone.wait(), name="forward gone")
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _serve(self, port: int, data: SpdyStream, error: SpdyStream) -> None:
        try:
            try:
                connection = await self._connect(port)
            except StatusError as problem:
                await error.write(failure_text(self._pod, port, problem))
            else:
                await pump(data, data.write, connection)
            await data.end()
            await error.end()
        except ClientGone:
            pass


class SocketForwarding:
    """Port n of the request has the channels 2n (data) and 2n+1 (error)."""

    def __init__(self, stream: Duplex, protocol: str, ports: list[int], pod: Object, connect: Connect) -> None:
        self._channels, self._ports = Channels(stream, protocol), ports
        self._pod, self._connect = pod, connect
        self._held = [Held() for _ in ports]

    async def run(self, wire: Timed) -> None:
        """Returns when the client has left or been idle for too long, or all connections have ended."""
        for number, port in enumerate(self._ports):  # each channel begins with its port
            for channel in (2 * number, 2 * number + 1):
                await self._channels.send(channel, struct.pack("<H", port))
        await wire.run(self._receive(), self._forward_all())
        if not wire.gone.is_set():
            await self._channels.close()

    async def _receive(self) -> None:
        while (found := await self._channels.receive()) is not None:
            number, is_error = divmod(found[0], 2)
            if not is_error and number < len(self._held) and found[1]:
                self._held[number].feed(found[1])
                await self._held[number].room()

    async def _forward_all(self) -> None:
        await asyncio.gather(*(self._forward(number, port) for number, port in enumerate(self._ports)))

    async def _forward(self, number: int, port: int) -> None:
        held = self._held[number]
        try:
            try:
                connection = await self._connect(port)
            except StatusError as error:
                await self._channels.send(2 * number + 1, failure_text(self._pod, port, error))
            else:
                await pump(held, lambda data: self._channels.send(2 * number, data), connection)
        except ClientGone:
            pass
        held.drop()

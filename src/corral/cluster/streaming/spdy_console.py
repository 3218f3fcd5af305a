"""A terminal through SPDY: a stream for each of error, stdin, stdout, stderr and resize, which the client opens."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from corral.cluster.streaming.console import STDOUT, Readable, Resize, Sizes, status_bytes
from corral.cluster.streaming.options import ProcessOptions
from corral.http.message import ClientGone
from corral.http.spdy import frames
from corral.http.spdy.session import Session, SpdyStream, Transport
from corral.kit.tasks import Tasks

RESIZABLE: Final = ("v3.channel.k8s.io", "v4.channel.k8s.io")


def plan_streams(options: ProcessOptions, protocol: str) -> frozenset[str]:
    """Pure: the streams that the client will open.

    >>> sorted(plan_streams(ProcessOptions("main", ("sh",), True, True, False, True), "v4.channel.k8s.io"))
    ['error', 'resize', 'stdin', 'stdout']
    """
    found = {name for name in ("stdin", "stdout", "stderr") if getattr(options, name)}
    if options.tty and protocol in RESIZABLE:
        found.add("resize")
    return frozenset(found | {"error"})


class SpdyConsole:
    """See `Console`."""

    def __init__(self, transport: Transport, protocol: str, options: ProcessOptions) -> None:
        self._session, self._protocol = Session(transport), protocol
        self._wanted = plan_streams(options, protocol)
        self._streams: dict[str, SpdyStream] = {}
        self.stdin: Readable | None = None
        self.ready = asyncio.Event()

    async def run(self, resize: Resize) -> None:
        tasks = Tasks()
        try:
            tasks.start("streams", self._accept(resize))
            await self._session.run()
        finally:
            await tasks.close()

    async def _accept(self, resize: Resize) -> None:
        while (stream := await self._session.accept()) is not None:
            name = stream.headers.get("streamtype", "")
            if name not in self._wanted or name in self._streams:
                await stream.reset(frames.REFUSED_STREAM)
                continue
            self._streams[name] = stream
            if self._wanted == self._streams.keys():
                self.stdin = self._streams.get("stdin")
                self.ready.set()
                await self._resize(resize)

    async def _resize(self, resize: Resize) -> None:
        stream, sizes = self._streams.get("resize"), Sizes()
        while stream is not None and (data := await stream.read()):
            for height, width in sizes.feed(data):
                await resize(height, width)

    async def output(self, channel: int, data: bytes) -> None:
        await self._streams["stdout" if channel == STDOUT else "stderr"].write(data)

    async def finish(self, status: dict[str, Any]) -> None:
        """The outputs end first: when a client has read the error stream to its end it may leave."""
        if not self.ready.is_set():
            await self._session.close()
            return
        for name in ("stdout", "stderr"):
            if name in self._streams:
                await self._streams[name].end()
        error = self._streams["error"]
        try:
            await error.write(status_bytes(status, self._protocol))
            await error.end()
        except ClientGone:
            pass  # it does not want to know
        await self._session.close()

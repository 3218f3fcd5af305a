"""Link: a connection of HTTP/2 without TLS, from either side. `run` reads until it ends.

What may wait here is bounded: of each stream its window, of all together the connection's; a message that is being
put together by its reader has a bound of its own. Whoever sends waits for the other side's windows. A peer that breaks
the protocol, or floods us, ends its connection and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings
from hpack import Encoder

from corral.http.grpc import status
from corral.http.grpc.flow import Flow
from corral.http.grpc.status import GrpcError, Headers
from corral.http.message import ClientGone
from corral.http.stream import Duplex
from corral.kit.tasks import Tasks

WINDOW: Final = 256 << 10  # bytes that may wait of one stream
WINDOWS: Final = 4 << 20  # and of all of them
FRAME: Final = 64 << 10
CALLS: Final = 100  # at a time
HEADERS: Final = 64 << 10  # bytes of a call's headers
Serve = Callable[[Flow], Awaitable[None]]


class _Plain(Encoder):
    """Headers without Huffman's code: hpack shifts one long number for it, so its time grows with the length squared.

    The trailers of a failed build carry the whole Dockerfile: a megabyte of it would stop the daemon for minutes.
    """

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        return super().encode(headers, huffman=False)


class Link:
    """With `serve` the other side calls, and each call is handed to it in a task of its own; without it we call."""

    def __init__(self, wire: Duplex, serve: Serve | None = None) -> None:
        self._wire, self._serve = wire, serve
        self.serving = serve is not None
        self._h2 = H2Connection(H2Configuration(client_side=not self.serving, header_encoding="utf-8"))
        self._h2.encoder = _Plain()
        self._h2.local_settings = Settings(
            client=not self.serving,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                SettingCodes.MAX_CONCURRENT_STREAMS: CALLS,
                SettingCodes.MAX_FRAME_SIZE: FRAME,
                SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS,
                SettingCodes.ENABLE_PUSH: 0,
            },
        )
        self._h2.max_inbound_frame_size = FRAME
        self._flows: dict[int, Flow] = {}
        self._tasks = Tasks()
        self._writing = asyncio.Lock()
        self._room = asyncio.Event()  # a window has grown
        self._free = asyncio.Semaphore(CALLS)
        self._ready = asyncio.Event()  # the first bytes are sent
        self.gone = asyncio.Event()

    async def run(self) -> None:
        """To the end of the connection; nothing of it runs any more then."""
        try:
            self._h2.initiate_connection()
            self._h2.increment_flow_control_window(WINDOWS - (1 << 16) + 1)
            await self.flush()
            self._ready.set()
            while data := await self._wire.read():
                for event in self._h2.receive_data(data):
                    self._take(event)
                await self.flush()
        except (ClientGone, ConnectionError):
            pass
        except (H2Error, UnicodeDecodeError):  # it breaks the protocol: it is told so, and left
            with suppress(ClientGone, ConnectionError, H2Error):
                await self.flush()
        finally:
            self._end()
            await self._tasks.close()

    def _end(self) -> None:
        self.gone.set()
        self._ready.set()
        for flow in list(self._flows.values()):
            flow.fail(GrpcError(status.UNAVAILABLE, "the connection has ended"))
        self._flows.clear()
        self._room.set()

    def _take(self, event: Any) -> None:
        flow = self._flows.get(getattr(event, "stream_id", 0) or 0)
        match event:
            case RequestReceived() if self._serve is None:
                raise ProtocolError("a server calls")
            case RequestReceived():
                self._begin(event.stream_id, _texts(event.headers))
            case DataReceived() if flow is not None:
                flow.feed(event.data, event.flow_controlled_length)
            case DataReceived():  # of a call that is over
                self._acknowledge(event.stream_id, event.flow_controlled_length)
            case ResponseReceived() | TrailersReceived() if flow is not None:
                flow.take_headers(_texts(event.headers))
            case StreamEnded() if flow is not None:
                flow.feed_end()
            case StreamReset() if flow is not None:
                flow.fail(GrpcError(status.CANCELLED, "context canceled"))
                self._room.set()
            case WindowUpdated() | RemoteSettingsChanged():
                self._room.set()

    def _begin(self, number: int, headers: Headers) -> None:
        assert self._serve is not None
        flow = self._flows[number] = Flow(self, number, headers)
        self._tasks.start(f"grpc {flow.path}", self._answer(flow))

    async def _answer(self, flow: Flow) -> None:
        """Serves a call, for as long as the other side waits for it."""
        assert self._serve is not None
        work = asyncio.ensure_future(self._serve(flow))
        over = asyncio.ensure_future(flow.over.wait())
        try:
            await asyncio.wait((work, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            work.cancel()
            results = await asyncio.gather(work, return_exceptions=True)
            with suppress(ClientGone, ConnectionError):
                await self.drop(flow)
        for error in results:
            if isinstance(error, Exception) and not isinstance(error, GrpcError | ClientGone | ConnectionError):
                raise error

    # Calls of ours

    async def open(self, headers: Headers) -> Flow:
        """Begins a call. GrpcError where the connection has ended. Close it."""
        await self._ready.wait()
        await self._free.acquire()
        if self.gone.is_set():
            self._free.release()
            raise GrpcError(status.UNAVAILABLE, "the connection has ended")
        try:
            number = self._h2.get_next_available_stream_id()
            flow = Flow(self, number, [])
            self._h2.send_headers(number, headers)
        except H2Error as error:
            self._free.release()
            raise GrpcError(status.UNAVAILABLE, f"no call can be made: {error}") from error
        self._flows[number] = flow
        await self.flush()
        return flow

    async def drop(self, flow: Flow) -> None:
        """Of a flow that nobody reads any more. What has come of it makes room for others."""
        if self._flows.pop(flow.number, None) is None:
            return
        flow.fail(GrpcError(status.CANCELLED, "the call was given up"))
        if not self.serving:
            self._free.release()
        if self.gone.is_set():
            return
        with suppress(H2Error):
            self._h2.reset_stream(flow.number, ErrorCodes.NO_ERROR if self.serving else ErrorCodes.CANCEL)
        self._acknowledge(flow.number, flow.waiting)
        await self.flush()

    def _acknowledge(self, number: int, size: int) -> None:
        """Room for as much more, of the stream if it is still there, and of the connection."""
        if size:
            with suppress(H2Error):
                self._h2.acknowledge_received_data(size, number)

    async def taken(self, flow: Flow, size: int) -> None:
        """A flow's reader has taken what took so much of the windows."""
        if not self.gone.is_set():
            self._acknowledge(flow.number, size)
            await self._pass()

    # Sending

    def send_headers(self, flow: Flow, headers: Headers, *, last: bool = False) -> None:
        """They go out with the next data, or `flush`."""
        try:
            self._h2.send_headers(flow.number, headers, end_stream=last)
        except H2Error as error:
            raise self._lost(flow) from error

    async def send_data(self, flow: Flow, data: bytes, *, last: bool = False) -> None:
        view = memoryview(data)
        while view or last:
            room = await self._wait_for_room(flow)
            piece, view = view[:room], view[room:]
            try:
                self._h2.send_data(flow.number, bytes(piece), end_stream=last and not view)
            except H2Error as error:
                raise self._lost(flow) from error
            await self._pass()
            if not view:
                return

    async def _wait_for_room(self, flow: Flow) -> int:
        while True:
            if flow.failure is not None:
                raise flow.failure
            try:
                room = min(self._h2.local_flow_control_window(flow.number), self._h2.max_outbound_frame_size)
            except StreamClosedError as error:
                raise self._lost(flow) from error
            if room > 0:
                return room
            self._room.clear()
            await self._room.wait()

    async def send_end(self, flow: Flow) -> None:
        try:
            self._h2.end_stream(flow.number)
        except H2Error as error:
            raise self._lost(flow) from error
        await self._pass()

    def _lost(self, flow: Flow) -> GrpcError:
        return flow.failure or GrpcError(status.CANCELLED, "the stream has ended")

    async def _pass(self) -> None:
        try:
            await self.flush()
        except (ClientGone, ConnectionError):
            raise GrpcError(status.UNAVAILABLE, "the connection has ended") from None

    async def flush(self) -> None:
        """What is to be sent, in order. Raises ClientGone."""
        async with self._writing:
            if data := self._h2.data_to_send():
                await self._wire.write(data)


def _texts(headers: Any) -> Headers:
    return [(str(name), str(value)) for name, value in headers]

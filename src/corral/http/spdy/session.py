"""The streams of one SPDY connection. The client opens them; the server reads and writes each on its own.

::

    transport ──read──> Parser ──frames──> SpdyStream (one for each that the client has opened) ──> accept()

Back-pressure: of a stream that nobody reads, no more than its window waits. A client that does flow control (it is
told by its SETTINGS or WINDOW_UPDATE) gets room as bytes are read, and gets no more than it has room for. The usual
client (spdystream) knows none: it is slowed down by not reading from the connection, and slows down by TCP alone.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from corral.http.body import ClientGone
from corral.http.incoming import Incoming
from corral.http.spdy import frames
from corral.http.spdy.frames import Parser, ProtocolError, Writer

WINDOW: Final = 65536  # bytes that a stream may be ahead at first, by the protocol
HIGH: Final = 1 << 20  # bytes that may wait in a stream before the whole connection does
PIECE: Final = 32768  # bytes in a frame of ours: streams take turns
MOST: Final = 1024  # streams that a client may have open


class Transport(Protocol):
    """Bytes both ways: a hijacked connection, or a web socket. `read` gives b"" at the end; `write` may raise
    ClientGone."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


class SpdyStream(Incoming):
    """One stream: `read` until b"", `write`, then `end`. `gone` is set when the client has reset it, or has left."""

    __slots__ = ("_session", "_window", "gone", "headers", "id", "sent_fin", "taken")

    def __init__(self, session: Session, id: int, headers: dict[str, str], window: int) -> None:
        super().__init__()
        self.id, self.headers = id, headers
        self.gone = asyncio.Event()
        self.sent_fin = False
        self._session, self._window = session, window
        self.taken = 0  # bytes that were read, and the client was not told of yet

    async def read(self) -> bytes:
        """What has come; b"" when nothing more will."""
        piece = await self.take()
        if piece:
            await self._session.taken(self, len(piece))
        return piece

    async def write(self, data: bytes) -> None:
        """Returns when the client keeps up. ClientGone."""
        at = 0
        while at < len(data):
            size = await self._session.room(self, min(PIECE, len(data) - at))
            if self.gone.is_set() or self.sent_fin:
                raise ClientGone("the client has gone")
            self._window -= size
            await self._session.send(Writer.data(self.id, data[at : at + size]))
            at += size

    async def end(self) -> None:
        """Nothing more will be written. What was ended is not ended again."""
        if not self.sent_fin and not self.gone.is_set():
            self.sent_fin = True
            await self._session.send(Writer.data(self.id, b"", fin=True))
            self._session.forget_ended(self)

    async def reset(self, status: int = frames.CANCEL) -> None:
        """Ends both directions at once."""
        if not self.gone.is_set():
            self.lose()
            self._session.forget(self)
            await self._session.send(Writer.reset(self.id, status))

    @property
    def window(self) -> int:
        """Bytes that the client has room for."""
        return self._window

    def widen(self, delta: int) -> None:
        self._window += delta

    def lose(self) -> None:
        self.gone.set()
        self.feed_end()


class Session:
    """`run` reads until the client has left; `accept` gives its streams. `close` says goodbye."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._parser, self._writer = Parser(), Writer()
        self._streams: dict[int, SpdyStream] = {}
        self._new: asyncio.Queue[SpdyStream | None] = asyncio.Queue()
        self._last = 0
        self._flow = False  # the client has shown that it does flow control
        self._initial, self._window, self._taken = WINDOW, WINDOW, 0  # of new streams; of the session
        self._changed = asyncio.Event()  # set when a window or a waiting amount has changed
        self.gone = asyncio.Event()

    # What its owner does

    async def run(self) -> None:
        """Returns when the client has left or broken the protocol; then all its streams are gone."""
        try:
            while data := await self._transport.read():
                self._parser.receive(data)
                while (frame := self._parser.next_frame()) is not None:
                    await self._handle(frame)
                await self._until_read()
        except ProtocolError:
            await self._say(Writer.go_away(self._last, frames.PROTOCOL_ERROR))
        except ClientGone:
            pass
        finally:
            self._lose()

    async def accept(self) -> SpdyStream | None:
        """The next stream that the client has opened, answered; None when there will be no more."""
        return await self._new.get()

    async def close(self) -> None:
        """Says that no more streams are served. What was written before still arrives."""
        await self._say(Writer.go_away(self._last))

    # What streams ask

    async def send(self, data: bytes) -> None:
        if self.gone.is_set():
            raise ClientGone("the client has gone")
        await self._transport.write(data)

    async def _say(self, data: bytes) -> None:
        """Sends if there is anybody."""
        try:
            await self.send(data)
        except ClientGone:
            self.gone.set()

    async def room(self, stream: SpdyStream, wanted: int) -> int:
        """Waits until the client has room for some bytes: how many may be sent, `wanted` at most."""
        while self._flow and not stream.gone.is_set():
            found = min(wanted, stream.window, self._window)
            if found > 0:
                self._window -= found
                return found
            self._changed.clear()
            await self._changed.wait()
        self._window -= wanted
        return wanted

    async def taken(self, stream: SpdyStream, size: int) -> None:
        """Some bytes were read: there is room for others."""
        self._changed.set()
        stream.taken += size
        self._taken += size
        if not self._flow:
            return
        if not stream.complete and stream.taken >= WINDOW // 2:
            owed, stream.taken = stream.taken, 0
            await self._say(Writer.window_update(stream.id, owed))
        if self._taken >= WINDOW // 2:
            owed, self._taken = self._taken, 0
            await self._say(Writer.window_update(0, owed))

    def forget(self, stream: SpdyStream) -> None:
        self._streams.pop(stream.id, None)
        self._changed.set()

    def forget_ended(self, stream: SpdyStream) -> None:
        """Both directions have ended."""
        if stream.complete:
            self.forget(stream)

    # What the client sends

    async def _until_read(self) -> None:
        """Waits while a stream has too much that nobody reads: TCP then slows the client down."""
        while any(one.size > HIGH for one in self._streams.values()):
            self._changed.clear()
            await self._changed.wait()

    async def _handle(self, frame: frames.Frame) -> None:
        if isinstance(frame, frames.Data):
            await self._data(frame)
        elif isinstance(frame, frames.SynStream):
            await self._open(frame)
        elif isinstance(frame, frames.Reset):
            if (stream := self._streams.get(frame.stream)) is not None:
                stream.lose()
                self.forget(stream)
        elif isinstance(frame, frames.Ping):
            if frame.number % 2:  # the client's own: ours would be even
                await self._say(Writer.ping(frame.number))
        elif isinstance(frame, frames.WindowUpdate):
            self._widen(frame)
        elif isinstance(frame, frames.Settings):
            self._set(frame)
        elif isinstance(frame, frames.Headers):
            if frame.fin and (stream := self._streams.get(frame.stream)) is not None:
                self._end(stream)
        elif isinstance(frame, frames.SynReply):
            await self._say(Writer.reset(frame.stream, frames.INVALID_STREAM))  # we open none
        # a GOAWAY says that no stream of ours is welcome: there is none

    async def _open(self, frame: frames.SynStream) -> None:
        if frame.stream % 2 == 0 or frame.stream <= self._last:
            raise ProtocolError(f"stream {frame.stream} after {self._last}")
        self._last = frame.stream
        if len(self._streams) >= MOST:
            await self._say(Writer.reset(frame.stream, frames.REFUSED_STREAM))
            return
        stream = self._streams[frame.stream] = SpdyStream(self, frame.stream, frame.headers, self._initial)
        stream.sent_fin = frame.unidirectional
        await self._say(self._writer.syn_reply(frame.stream))
        if frame.fin:
            self._end(stream)
        self._new.put_nowait(stream)

    async def _data(self, frame: frames.Data) -> None:
        stream = self._streams.get(frame.stream)
        if stream is None or stream.complete:
            if frame.stream > self._last:
                await self._say(Writer.reset(frame.stream, frames.INVALID_STREAM))
            return  # else it crossed with our end
        if frame.data:
            stream.feed(frame.data)
        if frame.fin:
            self._end(stream)

    def _end(self, stream: SpdyStream) -> None:
        stream.feed_end()
        if stream.sent_fin:
            self.forget(stream)

    def _widen(self, frame: frames.WindowUpdate) -> None:
        self._flow = True
        if frame.stream == 0:
            self._window += frame.delta
        elif (stream := self._streams.get(frame.stream)) is not None:
            stream.widen(frame.delta)
        self._changed.set()

    def _set(self, frame: frames.Settings) -> None:
        """Of the settings only the room of new streams concerns a server that opens none."""
        self._flow = True
        size = frame.values.get(frames.INITIAL_WINDOW_SIZE)
        if size is not None:
            for stream in self._streams.values():
                stream.widen(size - self._initial)
            self._initial = size
        self._changed.set()

    def _lose(self) -> None:
        self.gone.set()
        for stream in list(self._streams.values()):
            stream.lose()
        self._streams.clear()
        self._changed.set()
        self._new.put_nowait(None)

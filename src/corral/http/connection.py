"""One client's connection: an asyncio protocol that reads requests one after the other and runs a task for each.

An idle connection has no task and no timer. What a client sends ahead and what it does not read are both bounded:
reading pauses when too much waits, writing (`drained`) waits until the client keeps up.

What happens when the client goes away while its request is being answered:
- the handler goes on to its end (what was asked for is done, not half done), unless it waits for the request's body;
- a StreamResponse is closed at once; a hijacked Stream reads b"" and refuses writes.
A half-close (the client sends nothing more, but still reads) ends only the request's side.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING, Any, Final, cast

from corral.http.hangup import HangupWatch, hung_up, unread
from corral.http.message import Answer, Body, ClientGone, Hijack, Request, Response, StreamResponse
from corral.http.parser import BadRequest, End, Head, RequestParser
from corral.http.render import CONTINUE, LAST_CHUNK, bodyless, chunk, http_date, keep_alive_headers, response_head
from corral.http.stream import Stream

if TYPE_CHECKING:
    from corral.http.server import Server

log = logging.getLogger("corral.http")

GATHER: Final = 65536  # bytes of small pieces that are sent together
AHEAD: Final = 65536  # bytes of later requests that may wait
DISCARD: Final = 262144  # bytes of an unread body that are read and dropped rather than closing the connection
LINGER: Final = 5.0  # seconds that a finished connection waits for its client to close first


class Connection(asyncio.Protocol):
    """The state: idle (no task), answering (a task), hijacked (a stream) or lingering (all is said, closing)."""

    __slots__ = (
        "_body",
        "_broken",
        "_discarded",
        "_discarding",
        "_drain_waiters",
        "_eof",
        "_family",
        "_fd",
        "_gathered",
        "_gathered_size",
        "_lingering",
        "_lost",
        "_parser",
        "_read_paused",
        "_request",
        "_server",
        "_stream",
        "_streaming",
        "_task",
        "_timer",
        "_transport",
        "_turn",
        "_watch",
        "_write_paused",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = RequestParser(server.limits.head)
        self._request: Request | None = None
        self._body: Body | None = None
        self._task: asyncio.Task[None] | None = None
        self._stream: Stream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: HangupWatch | None = None
        self._drain_waiters: list[asyncio.Future[None]] = []
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._discarded = 0
        self._discarding = self._streaming = self._lingering = False
        self._eof = self._lost = self._broken = False
        self._read_paused = self._write_paused = self._turn = False

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        self._fd, self._family = sock.fileno(), sock.family
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        if self._stream is not None:
            self._stream.feed(data)
            if self._stream.full:
                self._pause()
            return
        self._parser.receive(data)
        self._advance()

    def eof_received(self) -> bool:
        """True keeps the other direction open."""
        self._eof = True
        if self._lingering or self._task is None:
            return False
        if self._stream is not None:
            self._stream.feed_eof()
        elif self._body is not None:
            self._body.fail(ClientGone("the client has gone"))
        if self._has_left():
            self._gone()
            return False
        if self._family == socket.AF_UNIX:
            self._watch = HangupWatch(self._fd, self._hung_up)
        return True

    def _has_left(self) -> bool:
        """After an end of file: whether nobody reads the answer either. TCP cannot tell while nothing is written;
        there an end of file ends endless answers, as it does with Go's servers."""
        return hung_up(self._fd) or (self._family != socket.AF_UNIX and self._streaming)

    def _hung_up(self) -> None:
        self._gone()
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()
        self._stop_timer()
        if self._watch is not None:
            self._watch.close()
        self._server.forget(self)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._release()

    def _release(self) -> None:
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _gone(self) -> None:
        """The client is no longer there: everybody who waits for it learns that."""
        if self._lost:
            return
        self._lost = True
        if self._request is not None:
            self._request.mark_disconnected()
        if self._body is not None:
            self._body.fail(ClientGone("the client has gone"))
        if self._stream is not None:
            self._stream.mark_gone()
        self._release()
        if self._streaming and self._task is not None:
            self._task.cancel()

    # Reading

    def _advance(self) -> None:
        """Handles all that has been received and may be handled now."""
        try:
            while (event := self._parser.next_event()) is not None:
                self._handle(event)
        except BadRequest as error:
            self._refuse(error)
            return
        if self._eof and self._task is None:
            self._finish()
            return
        self._watch_head()
        if (self._body is not None and self._body.full) or self._parser.buffered > AHEAD:
            self._pause()

    def _handle(self, event: Head | bytes | End) -> None:
        if isinstance(event, Head):
            self._begin(event)
        elif self._body is None:
            raise RuntimeError("a body without a request")
        elif self._discarding:
            self._discard(event)
        elif isinstance(event, End):
            self._body.feed_end()
        else:
            self._body.feed(event)

    def _begin(self, head: Head) -> None:
        expects = head.headers.get("expect", "").lower() == "100-continue" and head.length != 0
        self._body = Body(self._send_continue if expects else None, self.room)
        self._request = Request(head, self._body)
        work = self._exchange(self._request, self._body, head.keep_alive)
        self._task = asyncio.get_running_loop().create_task(work)

    def _send_continue(self) -> None:
        if not self._streaming:
            self.send(CONTINUE)

    def _discard(self, event: bytes | End) -> None:
        """The rest of a body that the handler did not want."""
        if isinstance(event, End):
            self._discarding = False
            self._next()
            return
        self._discarded += len(event)
        if self._discarded > DISCARD:
            self._finish()

    def _refuse(self, error: BadRequest) -> None:
        """The bytes make no sense (any more): say so when no answer is under way, and close."""
        self._broken = True
        if self._task is not None and self._body is not None:
            self._body.fail(error)
            return
        text = f"{error.status} {error.reason}".encode("latin-1", "replace")
        headers = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
        self.send(response_head(error.status, headers) + text)
        self._finish()

    def _watch_head(self) -> None:
        """A head must arrive whole in time; an idle connection may wait for ever."""
        waiting = self._task is None and not self._parser.idle and not self._lingering
        if waiting and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._server.limits.head_seconds, self._transport.abort)
        elif not waiting and not self._lingering:
            self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pause(self) -> None:
        if not self._read_paused and not self._eof:
            self._read_paused = True
            self._transport.pause_reading()

    def room(self) -> None:
        """Reads on when what waits has become little enough."""
        if not self._read_paused or self._lost:
            return
        if self._stream is not None:
            full = self._stream.full
        else:
            full = (self._body is not None and self._body.full) or self._parser.buffered > AHEAD
        if not full:
            self._read_paused = False
            self._transport.resume_reading()

    # Answering

    async def _exchange(self, request: Request, body: Body, keep: bool) -> None:
        """One request and its answer."""
        try:
            answer = await self._ask(request)
            keep = answer is not None and await self._answer(request, body, answer, keep)
        except ClientGone:
            keep = False
        except asyncio.CancelledError:
            keep = False
            if not self._lost:
                raise
        finally:
            self._task = None
            self._done(body, keep)

    async def _ask(self, request: Request) -> Answer | None:
        """The handler's answer; None when it gave up because the client is gone."""
        try:
            return await self._server.handler(request)
        except ClientGone:
            return None
        except Exception:
            log.exception("%s %s failed", request.method, request.raw_path)
            return Response(500, {"Content-Type": "text/plain; charset=utf-8"}, b"internal server error")

    async def _answer(self, request: Request, body: Body, answer: Answer, keep: bool) -> bool:
        """Sends it; whether the connection may be used again."""
        if isinstance(answer, Hijack):
            await self._hijack(body, answer)
            return False
        ended = self._eof and not self._parser.buffered
        unread = body.awaited or self._parser.remaining > DISCARD
        keep = keep and not (self._broken or ended or unread or self._server.closing)
        if isinstance(answer, Response):
            await self._send_whole(request, answer, keep)
            return keep
        return await self._send_stream(request, answer, keep)

    async def _send_whole(self, request: Request, answer: Response, keep: bool) -> None:
        headers = answer.headers | {"Date": _now()} | keep_alive_headers(request.version, keep)
        body = answer.body
        if bodyless(answer.status):
            body = b""
        else:
            headers.setdefault("Content-Length", str(len(body)))
        head = response_head(answer.status, headers)
        self.send(head if request.method == "HEAD" else head + body)
        await self.drained()

    async def _send_stream(self, request: Request, answer: StreamResponse, keep: bool) -> bool:
        chunked = request.version == "1.1"
        keep = keep and chunked
        headers = answer.headers | {"Date": _now()} | keep_alive_headers(request.version, keep)
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        self._streaming = True
        try:
            self.send(response_head(answer.status, headers))
            if request.method != "HEAD":
                await self._send_chunks(answer, chunked)
        except Exception as error:
            if not isinstance(error, ClientGone):
                log.exception("the answer to %s %s broke off", request.method, request.raw_path)
            self._transport.abort()  # an answer without its end: the client must not take it for complete
            return False
        finally:
            self._streaming = False
            await _close(answer.chunks)
        return keep

    async def _send_chunks(self, answer: StreamResponse, chunked: bool) -> None:
        await self.drained()
        async for data in answer.chunks:
            if data:
                self.send_soon(chunk(data) if chunked else data)
                await self.drained()
        if chunked:
            self.send(LAST_CHUNK)
            await self.drained()

    async def _hijack(self, body: Body, answer: Hijack) -> None:
        while await body.read():
            pass  # a body that the handler did not read is not a part of the stream
        stream = self._stream = Stream(self, self._parser.take_rest())
        if self._lost:
            stream.mark_gone()
        elif self._eof:
            stream.feed_eof()
        self.send(response_head(answer.status, answer.headers, answer.reason))
        self.room()
        try:
            await answer.handler(stream)
        except ClientGone:
            log.debug("the client of a stream has gone")
        except Exception:
            log.exception("a stream broke off")

    def _done(self, body: Body, keep: bool) -> None:
        """After an answer: the next request, or the end."""
        self._request = None
        if self._lost:
            self._transport.abort()
        elif not keep:
            self._finish()
        elif body.complete:
            self._next()
            self._advance()
        elif body.awaited:
            self._finish()  # the client still waits for our "100 Continue", which will not come
        else:
            self._discarding, self._discarded = True, body.discard()
            self.room()

    def _next(self) -> None:
        self._body = None
        self._parser.start_next()
        self.room()

    # Writing

    def send(self, data: bytes) -> None:
        self._flush()
        if not self._lost and not self._transport.is_closing():
            self._transport.write(data)

    def send_soon(self, data: bytes) -> None:
        """Sends with whatever else comes before the event loop turns: many small pieces cost one system call."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._flush)
        self._gathered.append(data)
        self._gathered_size += len(data)
        if self._gathered_size >= GATHER:
            self._flush()
            self._turn = True

    def _flush(self) -> None:
        if self._gathered:
            gathered, self._gathered, self._gathered_size = self._gathered, [], 0
            self.send(b"".join(gathered))

    async def drained(self) -> None:
        """Returns when the client has taken enough of what was sent. Raises ClientGone."""
        if self._turn:  # a fast reader must not keep the event loop from everybody else
            self._turn = False
            await asyncio.sleep(0)
        while self._write_paused and not self._lost:
            waiter = asyncio.get_running_loop().create_future()
            self._drain_waiters.append(waiter)
            await waiter
        if self._lost:
            raise ClientGone("the client has gone")

    async def head_read(self) -> None:
        """Returns when the client has read the head of a stream, or a moment has passed.

        docker-py reads the head through a buffer that it then throws away, with whatever arrived together with the
        head. No event tells that the other end has read, so this looks, every millisecond and at most ten times.
        """
        if self._family != socket.AF_UNIX:
            return
        for _ in range(10):
            if self._lost or self._transport.is_closing() or not unread(self._fd):
                return
            await asyncio.sleep(0.001)

    def send_eof(self) -> None:
        self._flush()
        if not self._lost and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def finish_stream(self) -> None:
        self._finish()

    def _finish(self) -> None:
        """Ends the connection so that the client gets all that was sent: first only our direction, then, when the
        client has closed too (or does not in time), all. Closing with unread input would reset the connection."""
        if self._lost or self._lingering:
            return
        self._flush()
        self._lingering = True
        if self._eof or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.send_eof()
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()
        self._linger()

    def _linger(self) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(LINGER, self._linger_over)

    def _linger_over(self) -> None:
        if self._transport.get_write_buffer_size():
            self._linger()  # the client is slow, not absent
        else:
            self._transport.abort()

    # What the server asks

    def close_if_idle(self) -> None:
        if self._task is None:
            self._transport.close()

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()


async def _close(chunks: Any) -> None:
    """Closes an async generator, so that its `finally` has run; other iterators need nothing."""
    if hasattr(chunks, "aclose"):
        await chunks.aclose()


def _now() -> str:
    return http_date(time.time())

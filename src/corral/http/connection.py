"""One client's connection: an asyncio protocol that reads requests one after the other and runs a task for each.

An idle connection has no task and no timer. What a client sends ahead and what it does not read are both bounded:
reading pauses when too much waits, writing (`Outgoing.drained`) waits until the client keeps up.

What happens when the client goes away while its request is being answered:
- the handler goes on to its end (what was asked for is done, not half done), unless it waits for the request's body;
- a StreamResponse is closed at once; a hijacked Stream reads b"" and refuses writes.
A half-close (the client sends nothing more, but still reads) ends only the request's side.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

from corral.http.answering import close_chunks, send_file, send_stream, send_whole
from corral.http.body import Body, ClientGone
from corral.http.hangup import HangupWatch, hung_up
from corral.http.head import BadRequest, Head
from corral.http.message import Answer, FileResponse, Hijack, Request, Response
from corral.http.outgoing import Outgoing
from corral.http.parser import End, RequestParser
from corral.http.render import CONTINUE, response_head
from corral.http.stream import Stream

if TYPE_CHECKING:
    from corral.http.server import Server

log = logging.getLogger("corral.http")

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
        "_eof",
        "_fd",
        "_lingering",
        "_lost",
        "_parser",
        "_peer_certificate",
        "_read_paused",
        "_remote",
        "_request",
        "_server",
        "_stream",
        "_streaming",
        "_task",
        "_timer",
        "_transport",
        "_watch",
        "out",
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
        self._discarded = 0
        self._discarding = self._streaming = self._lingering = False
        self._eof = self._lost = self._broken = False
        self._read_paused = False

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._fd = transport.get_extra_info("socket").fileno()
        self._remote, self._peer_certificate = _peer(self._transport)
        self.out = Outgoing(self._transport)
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
            self._stream.feed_end()
        elif self._body is not None:
            self._body.fail(ClientGone("the client has gone"))
        if self._has_left():
            self._gone()
            return False
        if self.out.local:
            self._watch = HangupWatch(self._fd, self._hung_up)
        return True

    def _has_left(self) -> bool:
        """After an end of file: whether nobody reads the answer either. TCP cannot tell while nothing is written;
        there an end of file ends endless answers, as it does with Go's servers."""
        return hung_up(self._fd) or (not self.out.local and self._streaming)

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
        self.out.pause()

    def resume_writing(self) -> None:
        self.out.resume()

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
        self.out.lose()
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
            self.finish()
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
        self._request = Request(
            head, self._body, local=self.out.local, remote=self._remote, peer_certificate=self._peer_certificate
        )
        work = self._exchange(self._request, self._body, head.keep_alive)
        self._task = asyncio.get_running_loop().create_task(work)

    def _send_continue(self) -> None:
        if not self._streaming:
            self.out.send(CONTINUE)

    def _discard(self, event: bytes | End) -> None:
        """The rest of a body that the handler did not want."""
        if isinstance(event, End):
            self._discarding = False
            self._next()
            return
        self._discarded += len(event)
        if self._discarded > DISCARD:
            self.finish()

    def _refuse(self, error: BadRequest) -> None:
        """The bytes make no sense (any more): say so when no answer is under way, and close."""
        self._broken = True
        if self._task is not None and self._body is not None:
            self._body.fail(error)
            return
        text = f"{error.status} {error.reason}".encode("latin-1", "replace")
        headers = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
        self.out.send(response_head(error.status, headers) + text)
        self.finish()

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
        except (ClientGone, BadRequest):
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
            await send_whole(self.out, request, answer, keep)
            return keep
        self._streaming = True
        try:
            if isinstance(answer, FileResponse):
                return await send_file(self.out, request, answer, keep)
            return await send_stream(self.out, request, answer, keep)
        finally:
            self._streaming = False
            if isinstance(answer, FileResponse):
                answer.file.close()
            else:
                await close_chunks(answer.chunks)

    async def _hijack(self, body: Body, answer: Hijack) -> None:
        while await body.read():
            pass  # a body that the handler did not read is not a part of the stream
        stream = self._stream = Stream(self, self._parser.take_rest())
        if self._lost:
            stream.mark_gone()
        elif self._eof:
            stream.feed_end()
        self.out.send(response_head(answer.status, answer.headers, answer.reason))
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
            self.finish()
        elif body.complete:
            self._next()
            self._advance()
        elif body.awaited:
            self.finish()  # the client still waits for our "100 Continue", which will not come
        else:
            self._discarding, self._discarded = True, body.discard()
            self.room()

    def _next(self) -> None:
        self._body = None
        self._parser.start_next()
        self.room()

    # Ending

    def finish(self) -> None:
        """Ends the connection so that the client gets all that was sent: first only our direction, then, when the
        client has closed too (or does not in time), all. Closing with unread input would reset the connection."""
        if self._lost or self._lingering:
            return
        self.out.flush()
        self._lingering = True
        if self._eof or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.out.send_eof()
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


def _peer(transport: asyncio.Transport) -> tuple[str, bytes]:
    """Who is at the other end: the address of a TCP connection, and the certificate that TLS has verified."""
    address = transport.get_extra_info("peername")
    remote = str(address[0]) if isinstance(address, tuple) and address else ""
    return remote, transport.get_extra_info("peer_certificate") or b""

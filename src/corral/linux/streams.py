"""Streams: bytes between the event loop and threads that do blocking work, with back-pressure both ways.

`consume` feeds an async stream to a function that reads it in a thread; `produce` turns a function that writes in
a thread into an async stream; `ReadAhead` puts one stage of a chain of iterators into a thread of its own, so that
decompressing and hashing overlap with writing files. Threads are their own, not the event loop's pool: a chain
of stages that wait for each other must never wait for a free worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
Writer = Callable[[Callable[[bytes], None]], None]  # is given a function that writes
_DEPTH = 16  # chunks that may wait between two stages


class Ended(Exception):
    """The other side of a stream has gone away: stop working."""


class _End:
    """In a queue: nothing more comes; with an error if there was one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Pipe:
    """A bounded queue from one side to the other, which either side may end."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes | _End] = queue.Queue()
        self._room = threading.Semaphore(_DEPTH)
        self._gone = False

    def put(self, chunk: bytes) -> None:
        """Blocks while the queue is full. Raises Ended when the reader has gone."""
        self._room.acquire()
        if self._gone:
            self._room.release()
            raise Ended
        self._queue.put(chunk)

    def end(self, error: BaseException | None = None) -> None:
        self._queue.put(_End(error))

    def leave(self) -> None:
        """The reader goes: a writer that waits, or comes later, gets Ended."""
        self._gone = True
        self._room.release()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            self._room.release()
            yield item


class ReadAhead:
    """An iterator whose source runs in its own thread, some chunks ahead. Use as a context manager.

    >>> with ReadAhead(iter([b"a", b"b"])) as chunks:
    ...     list(chunks)
    [b'a', b'b']
    """

    def __init__(self, source: Iterable[bytes], stop: Callable[[], None] | None = None) -> None:
        """`stop` wakes a source that waits for something, when the reader leaves early."""
        self._source = source
        self._stop = stop
        self._pipe = _Pipe()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    @classmethod
    def of(cls, work: Writer) -> ReadAhead:
        """The source is what `work(write)` writes.

        >>> with ReadAhead.of(lambda write: write(b"a")) as chunks:
        ...     list(chunks)
        [b'a']
        """
        made = cls(())
        made._fill = lambda: work(made._pipe.put)  # type: ignore[method-assign]
        return made

    def _fill(self) -> None:
        for chunk in self._source:
            self._pipe.put(chunk)

    def _run(self) -> None:
        try:
            self._fill()
        except BaseException as error:
            self._pipe.end(error)  # raised again where it is read, if anybody still reads
        else:
            self._pipe.end()

    def __enter__(self) -> Iterator[bytes]:
        self._thread.start()
        return iter(self._pipe)

    def __exit__(self, *_: object) -> None:
        self._pipe.leave()
        if self._stop is not None:
            self._stop()
        self._thread.join()


class Inbox:
    """Chunks on their way from the event loop to a thread: iterate it in the thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[bytes | _End] = queue.SimpleQueue()
        self._waiting = 0
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, chunk: bytes) -> None:
        self._waiting += 1
        self._queue.put(chunk)
        if self._waiting >= _DEPTH:
            self._room.clear()
            await self._room.wait()

    def end(self, error: BaseException | None = None) -> None:
        self._queue.put(_End(error))

    def leave(self) -> None:
        """Wakes a stage that waits here for more, because the one behind it has given up."""
        self.end(Ended())

    def _taken(self) -> None:
        self._waiting -= 1
        if self._waiting < _DEPTH // 2:
            self._room.set()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            with contextlib.suppress(RuntimeError):  # the loop is closed: the interpreter is going down
                self._loop.call_soon_threadsafe(self._taken)
            yield item


def in_thread(name: str, work: Callable[[], T]) -> asyncio.Future[T]:
    """Starts `work` in a thread of its own; the future has its result. Not cancellable: it ends by itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            report = (None, error)
        else:
            report = (result, None)  # type: ignore[assignment]
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, *report)
        del report  # an error holds this frame: it would hold itself, and what generators under it have open

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def _see(future: asyncio.Future[Any]) -> None:
    """Whoever still waits for it hears of its error; who was cancelled, or has enough, no longer cares what breaks."""
    if not future.cancelled():
        future.exception()


async def consume(chunks: AsyncIterator[bytes], work: Callable[[Inbox], T], *, name: str = "consume") -> T:
    """Runs `work(inbox)` in a thread, where iterating `inbox` gives the chunks; returns its result.

    If `chunks` fails, or the caller is cancelled, the inbox raises in the thread and `consume` returns only when
    the thread has ended, so that its clean-up is done. If `work` ends early, the rest of `chunks` is not read.
    """
    inbox = Inbox(asyncio.get_running_loop())
    done = in_thread(name, lambda: work(inbox))

    async def feed() -> None:
        async for chunk in chunks:
            if chunk:
                await inbox.put(chunk)

    feeder = asyncio.ensure_future(feed())
    both: list[asyncio.Future[Any]] = [feeder, done]
    for one in both:
        one.add_done_callback(_see)
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not feeder.done():
            return done.result()
        broken = feeder.exception()
        inbox.end(broken)
        await asyncio.wait([done])
        if broken is not None:
            done.exception()  # seen: whatever the work made of it, the broken stream is the cause
            raise broken
        return done.result()
    except asyncio.CancelledError:
        inbox.end(Ended())
        await asyncio.wait([done])
        if not done.cancelled():
            done.exception()  # seen; the cancellation is what counts
        raise
    finally:
        if not feeder.done():
            feeder.cancel()
            await asyncio.wait([feeder])


async def produce(
    work: Callable[[Callable[[bytes], None]], None], *, name: str = "produce"
) -> AsyncGenerator[bytes, None]:
    """What `work(write)` writes in a thread, as an async stream. `write` blocks while nobody reads.

    Closing the stream early makes `write` raise Ended in the thread, and waits for the thread.
    """
    loop = asyncio.get_running_loop()
    outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
    room = threading.Semaphore(_DEPTH)
    gone = False

    def write(chunk: bytes) -> None:
        room.acquire()
        if gone:
            raise Ended
        loop.call_soon_threadsafe(outbox.put_nowait, chunk)

    def run() -> None:
        try:
            work(write)
        finally:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(outbox.put_nowait, None)

    done = in_thread(name, run)
    done.add_done_callback(_see)
    try:
        while (chunk := await outbox.get()) is not None:
            room.release()
            yield chunk
        await done
    finally:
        gone = True
        room.release(_DEPTH + 1)
        if not done.done():
            await asyncio.wait([done])
            done.exception()  # seen: it is Ended, or the reader no longer cares

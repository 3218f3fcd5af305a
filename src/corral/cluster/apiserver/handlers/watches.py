"""A watch as a stream of lines."""

from __future__ import annotations

from collections.abc import AsyncIterator

from corral.cluster.apiserver.caching.event import Event
from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.caching.log import EventLog
from corral.cluster.apiserver.caching.watching import Watcher, select
from corral.cluster.apiserver.encoding.shapes import Shape, line
from corral.model.kubernetes.status import StatusError


def error_line(error: StatusError) -> bytes:
    """The last thing that a watch says when it cannot go on."""
    return b'{"type":"ERROR","object":%b}\n' % encode(error.status())


async def failed(error: StatusError) -> AsyncIterator[bytes]:
    """A watch that could not even begin."""
    yield error_line(error)


async def lines(watcher: Watcher, log: EventLog, shape: Shape) -> AsyncIterator[bytes]:
    """Everything that a client is told, in pieces of many lines. Ends when the watch's time is over."""
    try:
        while found := watcher.initial():
            yield b"".join([line(shape, one) for one in found])
        while not watcher.over:
            position, events = watcher.take()
            if events and (told := _batch(watcher, log, shape, position, events)):
                yield told
            if bookmark := watcher.bookmark():
                yield line(shape, bookmark)
            await watcher.wait()
    except StatusError as error:
        yield error_line(error)
    finally:
        watcher.close()


def _batch(watcher: Watcher, log: EventLog, shape: Shape, position: int, events: list[Event]) -> bytes:
    """What a watch makes of some events. Watches that see the same in the same form share the bytes."""
    if not shape.shared:
        return _lines(watcher, shape, events)
    key = f"{shape.key}\0{watcher.selection.key}\0{position}"
    found = log.batches.get(key)
    if found is None:
        found = log.batches[key] = _lines(watcher, shape, events)
    return found


def _lines(watcher: Watcher, shape: Shape, events: list[Event]) -> bytes:
    selection = watcher.selection
    return b"".join([line(shape, one) for one in (select(event, selection) for event in events) if one])

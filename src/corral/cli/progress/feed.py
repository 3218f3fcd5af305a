"""Events as they come from the daemon. While none comes, a picture is still drawn anew: its clocks go on."""

from __future__ import annotations

import json
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from queue import SimpleQueue
    from typing import Protocol

    from corral.cli.http import Reply
    from corral.cli.progress.work import Event, Watch

    class Display(Protocol):
        """Takes events with the time at which they came."""

        watch: Watch

        def take(self, event: Event, now: float) -> None: ...
        def tick(self, now: float) -> None: ...
        def end(self, now: float) -> None: ...


def events(reply: Reply, display: Display) -> Iterator[Event]:
    """Every event of an answer."""
    from corral.cli.progress.live import PACE, Live

    if not isinstance(display, Live):
        for line in reply.lines():
            yield json.loads(line)
        return
    from queue import Empty, SimpleQueue
    from threading import Thread

    queue: SimpleQueue[bytes | BaseException | None] = SimpleQueue()
    Thread(target=_read, args=(reply, queue), daemon=True).start()
    while True:
        try:
            item = queue.get(timeout=PACE)
        except Empty:
            display.tick(time.monotonic())
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield json.loads(item)


def _read(reply: Reply, queue: SimpleQueue[bytes | BaseException | None]) -> None:
    """Lines into the queue, then None, or what went wrong."""
    try:
        for line in reply.lines():
            queue.put(line)
        queue.put(None)
    except Exception as error:
        queue.put(error)

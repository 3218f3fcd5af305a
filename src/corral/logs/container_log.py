"""One container's log: read it, or follow it while it is written."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from corral.errors import HostError
from corral.linux import inotify
from corral.logs import files, seek
from corral.logs.line import MAX_LINE, Joiner, Selection
from corral.logs.policy import LogPolicy
from corral.logs.watches import Watches
from corral.model.process import LogEntry, LogQuery

_CHANGES = inotify.MODIFY | inotify.MOVED_TO | inotify.CREATE | inotify.DELETE
_ENDLESS = 1 << 62


class ContainerLog:
    """Cheap to make: keeps nothing open. `path` is the file that the monitor writes."""

    def __init__(self, path: str, policy: LogPolicy, watches: Watches) -> None:
        self.path = path
        self.policy = policy
        self._watches = watches

    async def read(self, query: LogQuery, ended: asyncio.Event) -> AsyncGenerator[LogEntry, None]:
        """The entries that `query` selects, oldest first; following, until `ended` is set and all is told.

        Docker's order: the last `tail` lines are taken first, then those before `since` are dropped. `ended` is
        set once the container's monitor has written everything. Raises NotFound if the log's directory is gone.
        """
        async with aclosing(self.batches(query, ended)) as batches:
            async for batch in batches:
                for entry in batch:
                    yield entry

    async def batches(self, query: LogQuery, ended: asyncio.Event) -> AsyncGenerator[list[LogEntry], None]:
        """As `read`, in lists that are never empty: one for each block of the file."""
        reader = _Reader(self.path, query)
        try:
            async for batch in reader.present():
                yield batch
            if query.follow and not reader.selection.over:
                async with aclosing(self._follow(reader, ended)) as following:
                    async for batch in following:
                        yield batch
            if batch := reader.rest():
                yield batch
        finally:
            reader.close()

    async def _follow(self, reader: _Reader, ended: asyncio.Event) -> AsyncGenerator[list[LogEntry], None]:
        changed = asyncio.Event()
        try:
            stop = self._watches.listen(os.path.dirname(self.path), _CHANGES, changed.set)
        except HostError as error:
            if error.errno != errno.ENOENT:
                raise
            for batch in reader.news():  # the container was removed just now
                yield batch
            return
        end = asyncio.ensure_future(ended.wait())
        end.add_done_callback(lambda _: changed.set())
        try:
            while True:
                changed.clear()
                last = ended.is_set()  # before reading: what was written until now is read below
                for batch in reader.news():
                    yield batch
                    await asyncio.sleep(0)
                if last or reader.selection.over or reader.removed():
                    return
                await changed.wait()
        finally:
            end.cancel()
            stop()


class _Reader:
    """A position in the log that moves on from file to file, and the entries on their way out."""

    def __init__(self, path: str, query: LogQuery) -> None:
        self._path = path
        self._files = files.open_all(path, query.since)
        self._open = {file.fd for file in self._files}
        self._place = place = self._begin(query)
        self.selection = Selection(
            stdout=query.stdout, stderr=query.stderr, since=query.since, until=query.until, skip=place.skip
        )
        # While lines are passed over they stay whole, so that none is passed over in part.
        self._joiner = Joiner(_ENDLESS if place.skip else MAX_LINE)
        self._fd: int | None = None
        self._offset = 0

    def _begin(self, query: LogQuery) -> seek.Place:
        if query.tail >= 0:
            return seek.find_tail(self._files, query.tail)
        if query.since and self._files:
            return seek.Place(0, seek.find_time(self._files[0], query.since))
        return seek.Place(0, 0)

    async def present(self) -> AsyncGenerator[list[LogEntry], None]:
        """What the files held when they were opened. Lets others run between two blocks."""
        for index, file in enumerate(self._files):
            if index < self._place.file or self.selection.over:
                continue
            self._fd, self._offset = file.fd, self._place.offset if index == self._place.file else 0
            while not self.selection.over and (data := files.read(file.fd, self._offset, file.size)):
                self._offset += len(data)
                if batch := self._select(data):
                    yield batch
                await asyncio.sleep(0)

    def news(self) -> Iterator[list[LogEntry]]:
        """What was written since, through all rotations that happened."""
        while not self.selection.over:
            following = files.successor(self._path, self._fd)
            if following is not None:
                self._open.add(following)
            # Once a file has a successor nothing more comes to it: what is read now is the rest of it.
            while self._fd is not None and not self.selection.over and (data := files.read(self._fd, self._offset)):
                self._offset += len(data)
                if batch := self._select(data):
                    yield batch
            if following is None:
                return
            self._switch(following)

    def _switch(self, fd: int) -> None:
        if self._fd is not None:
            self._open.discard(self._fd)
            os.close(self._fd)
        self._fd, self._offset = fd, 0

    def removed(self) -> bool:
        """Whether the log is no more. (The kernel tells of a directory's end only when its last file is closed.)"""
        if self._fd is None:
            return not os.path.isdir(os.path.dirname(self._path))
        return not files.is_file(self._path, self._fd) and not files.numbered(self._path)

    def _select(self, data: bytes) -> list[LogEntry]:
        batch = self.selection.take(self._joiner.feed(data))
        if not self.selection.skipping:
            self._joiner.limit = MAX_LINE
        return batch

    def rest(self) -> list[LogEntry]:
        """At the end of all: what has no line feed yet."""
        return [] if self.selection.over else self.selection.take(self._joiner.finish())

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())

"""Rotation: a log file that has grown too large is put aside, and its monitor told to begin a new one.

The steps, each of which may be the last before a power failure: remove the oldest file, rename the others up by
one, rename the written one to number 1 (the monitor goes on writing there), tell the monitor, which then makes a
new file. What was cut short is taken up when the container is watched again; no step loses a line.
"""

from __future__ import annotations

import logging
import os
from asyncio import TimerHandle, get_running_loop
from collections.abc import Awaitable, Callable, Sequence

from corral.errors import CorralError, from_oserror
from corral.kit.tasks import Tasks
from corral.linux import inotify
from corral.logs.files import numbered
from corral.logs.policy import LogPolicy
from corral.logs.watches import Watches

log = logging.getLogger("corral")

Reopen = Callable[[str], Awaitable[None]]
# After a write nobody listens for so many seconds: a chatty container wakes us four times a second, not 10,000.
REST = 0.25


def plan_rotation(present: Sequence[int], max_files: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Pure: which numbers to remove, and which to rename to which, in this order, to make room for a new file 0.

    The file put aside is always kept as number 1 until the new one exists, even if `max_files` is 1.

    >>> plan_rotation([2, 1, 0], 3)
    ([2], [(1, 2), (0, 1)])
    >>> plan_rotation([0], 1)
    ([], [(0, 1)])
    """
    keep = max(max_files - 1, 1)
    removed = sorted((n for n in present if n >= keep), reverse=True)
    moved = [(n, n + 1) for n in sorted(set(present) - set(removed), reverse=True)]
    return removed, moved


class Rotator:
    """Watches the logs of running containers. `reopen(id)` tells a container's monitor to make a new file."""

    def __init__(self, watches: Watches, reopen: Reopen) -> None:
        self._watches = watches
        self._reopen = reopen
        self._watched: dict[str, _Watched] = {}
        self._tasks = Tasks()

    def watch(self, container_id: str, path: str, policy: LogPolicy) -> None:
        """Begins when a container runs, also one that was found running. Again for the same id: the new policy."""
        self.unwatch(container_id)
        if policy.unlimited:
            return
        self._watched[container_id] = watched = _Watched(path, policy, self._watches, lambda: self._tell(container_id))
        watched.look()

    def unwatch(self, container_id: str) -> None:
        """Ends when a container has ended. One that is not watched is fine."""
        if watched := self._watched.pop(container_id, None):
            watched.close()

    def _tell(self, container_id: str) -> None:
        self._tasks.start(f"reopen-log-{container_id[:12]}", self._ask(container_id))

    async def _ask(self, container_id: str) -> None:
        try:
            await self._reopen(container_id)
        except CorralError as error:
            log.warning("the log of container %s cannot be rotated now: %s", container_id[:12], error)

    async def close(self) -> None:
        """The daemon ends; containers go on writing, and are rotated by the next one."""
        for container_id in list(self._watched):
            self.unwatch(container_id)
        await self._tasks.close()


class _Watched:
    """One log. Either waits for the next write, or rests after one, or waits for the monitor's new file."""

    def __init__(self, path: str, policy: LogPolicy, watches: Watches, tell: Callable[[], None]) -> None:
        self._path = path
        self._policy = policy
        self._watches = watches
        self._tell = tell
        self._stop: Callable[[], None] | None = None
        self._timer: TimerHandle | None = None
        self._told = False

    def look(self) -> None:
        """Rotates if it is time; then waits for what comes next."""
        self._rest_no_more()
        try:
            size = os.stat(self._path).st_size
            self._trim()
            if size > self._policy.max_size:
                self._rotate()
            else:
                self._listen_once(self._path, inotify.MODIFY | inotify.MOVE_SELF)
        except FileNotFoundError:
            self._await_new_file()
        except OSError as error:
            self._give_up(from_oserror("rotate", error))
        except CorralError as error:
            self._give_up(error)

    def _rotate(self) -> None:
        removed, moved = plan_rotation([number for number, _ in numbered(self._path)], self._policy.max_files)
        for number in removed:
            os.unlink(self._name(number))
        # The monitor dies if it cannot make its new file: a full disk must be found out before, by us.
        os.close(os.open(self._path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for old, new in moved:
            os.rename(self._name(old), self._name(new))
        self._told = False
        self._await_new_file()

    def _await_new_file(self) -> None:
        """The monitor renames its new file into place."""
        directory = os.path.dirname(self._path)
        self._stop = self._watches.listen(directory, inotify.MOVED_TO | inotify.CREATE, self._look_for_new_file)
        if not self._told and numbered(self._path):
            self._told = True
            self._tell()

    def _look_for_new_file(self) -> None:
        if os.path.exists(self._path):
            self.look()

    def _trim(self) -> None:
        """Removes what the policy no longer allows, once the new file is there."""
        for number, name in numbered(self._path):
            if number >= self._policy.max_files:
                os.unlink(name)

    def _listen_once(self, path: str, mask: int) -> None:
        self._stop = self._watches.listen(path, mask | inotify.ONESHOT, self._rest)

    def _rest(self) -> None:
        self._stop = None
        self._timer = get_running_loop().call_later(REST, self.look)

    def _rest_no_more(self) -> None:
        if self._stop is not None:
            self._stop()
        if self._timer is not None:
            self._timer.cancel()
        self._stop = self._timer = None

    def _give_up(self, error: CorralError) -> None:
        """Nothing is lost, the file only grows; the next try is in a while."""
        log.warning("the log %s is not rotated: %s", self._path, error.message)
        self._timer = get_running_loop().call_later(60, self.look)

    def _name(self, number: int) -> str:
        return f"{self._path}.{number}" if number else self._path

    close = _rest_no_more

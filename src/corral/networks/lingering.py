"""What of ended containers' cables is still on the host: known here, and nowhere else, until it has gone.

A cable goes with its namespace, and the kernel keeps that while connections in it are not through: for minutes where
the other end is silent. What they still have to send goes on meanwhile. But as soon as another is to have one of its
addresses, the cable is down, or both would answer; and after a while it is taken away, if it is still there.

One that the kernel does not let go of is set down and out of its bridge, named in the log and by `corral doctor`, and
tried again until it has gone: each time that others are looked at, and whenever networks are repaired. The daemon that
comes after finds it by its name, and sweeps it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corral.errors import HostError
from corral.kit.tasks import Tasks
from corral.linux import links
from corral.linux.netlink import Link, Netlink
from corral.model.container import Endpoint
from corral.networks.inthread import InThread
from corral.networks.names import InstanceNames

log = logging.getLogger("corral")

_LINGERING = 10.0  # seconds: a namespace that nothing keeps has long gone by then


@dataclass(eq=False)
class Left:
    """A cable that is to go, and what it answers to; `stuck` when the kernel did not let go of it."""

    name: str
    marks: frozenset[str] = frozenset()
    stuck: bool = False


class Lingering:
    """The cables of ended containers, in the thread of `wires`: everything here blocks."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._cables: dict[str, Left] = {}

    def let_go(self, name: str, endpoint: Endpoint) -> None:
        """From now on it has its time, also if it was let go before."""
        self._cables[name] = Left(name, _marks(endpoint))

    def waiting(self) -> list[Left]:
        return list(self._cables.values())

    def make_way(self, endpoint: Endpoint) -> None:
        """Before it has a cable: others that its addresses belonged to."""
        same = [cable.name for cable in self._cables.values() if cable.marks & _marks(endpoint)]
        self._netlink.batch([links.set_link(name, up=False, may_be_gone=True) for name in same])

    def is_taken(self, name: str) -> None:
        """Another cable has the name now, so the one that had it has gone."""
        self._cables.pop(name, None)

    def finish(self, cables: Iterable[Left]) -> None:
        """Takes them away, but for those whose names others have, or that were let go once more, since they were
        listed."""
        for cable in cables:
            if self._cables.get(cable.name) is cable:
                self.delete(cable.name)

    def retry(self) -> None:
        """Those that are stuck."""
        self.finish([cable for cable in self.waiting() if cable.stuck])

    def delete(self, name: str) -> None:
        """Takes a cable away at both ends, or keeps it in mind. Some 40 ms: not where somebody waits."""
        cable = self._cables.setdefault(name, Left(name))
        try:
            self._netlink.do(links.delete_link(name))
        except HostError as error:
            self._stick(cable, error)
            return
        if cable.stuck:
            log.info("cable %s of a container that has ended is gone now", name)
        del self._cables[name]

    def _stick(self, cable: Left, error: HostError) -> None:
        if cable.stuck:
            return
        cable.stuck = True
        log.warning(
            "cable %s of a container that has left is set down, to be tried again: %s", cable.name, error.message
        )
        try:
            self._netlink.batch([links.set_link(cable.name, up=False), links.set_master(cable.name, 0)])
        except HostError as worse:
            log.warning("cable %s of a container that has left may still be in use: %s", cable.name, worse.message)

    def clear(self) -> None:
        """All have been taken away."""
        self._cables.clear()


class Clearing:
    """Takes away what is left in time. `start` after something was let go, `tasks` ends it."""

    def __init__(self, lingering: Lingering, tasks: Tasks, in_thread: InThread) -> None:
        self._lingering, self._tasks, self._in_thread = lingering, tasks, in_thread
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._lingering.waiting() and (self._running is None or self._running.done()):
            self._running = self._tasks.start("take away cables that are left", self._run())

    async def _run(self) -> None:
        """Most have gone by themselves by then."""
        while cables := self._lingering.waiting():
            await asyncio.sleep(_LINGERING)
            for cable in cables:  # each by itself, that others have their turn in between
                await self._in_thread(functools.partial(self._lingering.finish, [cable]))


def plan_left(links: Sequence[Link], names: InstanceNames) -> list[str]:
    """Pure: the cables of an instance that the kernel did not let go of, among a host's interfaces: those of
    containers that are there are up, and in a bridge.

    >>> names = InstanceNames("ab12")
    >>> stuck, fine = (Link(n, names.veth("0123456789ab", n), up=n == 2, master=n and 9) for n in (0, 2))
    >>> plan_left([stuck, fine, Link(3, "veth0", up=False)], names) == [stuck.name]
    True
    """
    return [link.name for link in links if names.veth_owner(link.name) and not link.up and not link.master]


def _marks(endpoint: Endpoint) -> frozenset[str]:
    return frozenset({endpoint.ipv4, endpoint.ipv6, endpoint.mac} - {""})

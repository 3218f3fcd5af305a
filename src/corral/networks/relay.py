"""Carrying connections between address families: a port published on an IPv6 address leads to a container that
has only IPv4, or is called on ::1, from where the kernel lets no packet out. No firewall rule can translate that, so
bytes are copied here, as Docker's proxy process does.

Everything else goes through the kernel alone and does not come here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterable
from functools import partial
from typing import Any

from corral.kit.tasks import Tasks

log = logging.getLogger("corral")

_CHUNK = 1 << 16
_IDLE_SECONDS = 90  # how long a UDP conversation is remembered
_CONVERSATIONS = 1024  # at most, for one port
_CONNECTIONS = 1024  # the same of TCP: who calls then waits until one has ended
_AGAIN = 1.0  # seconds after which a host that had no descriptor left is asked again

_IP_PKTINFO = 8  # Python names it from 3.14 on
_PKTINFO = 20  # bytes of in6_pktinfo, the longer of the two

Target = tuple[str, int]
Ancillary = tuple[int, int, bytes]
Caller = tuple[Any, ...]  # who called, and the ancillary data that tells which address


def _family(target: Target) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in target[0] else socket.AF_INET


class Relays:
    """The relays of an instance. They end with the daemon and begin anew with the next."""

    def __init__(self) -> None:
        self._tasks = Tasks()
        self._open: dict[socket.socket, TcpRelay | UdpRelay] = {}

    def start(self, held: socket.socket, target: Target) -> None:
        """Serves a bound socket of ours until `stop`. It needs a running event loop."""
        kind = UdpRelay if held.type == socket.SOCK_DGRAM else TcpRelay
        self._open[held] = kind(held, target, self._tasks)

    def stop(self, held: socket.socket) -> None:
        """Before the socket is closed. One that is not served is fine. Open connections end."""
        relay = self._open.pop(held, None)
        if relay is not None:
            relay.stop()

    async def close(self) -> None:
        for held in list(self._open):
            self.stop(held)
        await self._tasks.close()


class TcpRelay:
    """Each caller gets a connection of its own to the container; so many at a time, the others wait in the backlog."""

    def __init__(self, held: socket.socket, target: Target, tasks: Tasks) -> None:
        self._held, self._target, self._tasks = held, target, tasks
        self._loop = asyncio.get_running_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._listen()

    def _listen(self) -> None:
        if not self._stopped and len(self._connections) < _CONNECTIONS:
            self._loop.add_reader(self._held, self._accept)

    def _accept(self) -> None:
        try:
            client, _ = self._held.accept()
        except (BlockingIOError, ConnectionError):  # the caller is gone already
            return
        except OSError as error:  # asked at once again, it would say the same
            log.warning("relay to %s: accept: %s", self._target[0], error.strerror)
            self._loop.remove_reader(self._held)
            self._loop.call_later(_AGAIN, self._listen)
            return
        client.setblocking(False)
        task = self._tasks.start(f"relay to {self._target[0]}", self._serve(client))
        self._connections.add(task)
        task.add_done_callback(self._ended)
        if len(self._connections) >= _CONNECTIONS:
            self._loop.remove_reader(self._held)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self._listen()

    async def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(_family(self._target), socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as server:
            server.setblocking(False)
            with contextlib.suppress(OSError):  # refused or reset: closing tells the other side
                await self._loop.sock_connect(server, self._target)
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._copy(client, server))
                    both.create_task(self._copy(server, client))

    async def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        """Until the end of file, which is passed on; a broken connection ends both directions."""
        try:
            while data := await self._loop.sock_recv(source, _CHUNK):
                await self._loop.sock_sendall(sink, data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._stopped = True
        self._loop.remove_reader(self._held)
        for task in self._connections:
            task.cancel()


def ask_for_called(held: socket.socket) -> None:
    """Each datagram then comes with the address that was called."""
    if held.family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        held.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def answering_from(ancillary: Iterable[Ancillary]) -> tuple[Ancillary, ...]:
    """Pure: what is said with an answer, of what came with the question: the address that was called is the one that
    answers. By which interface it goes, the host's routes say again.

    >>> called, interface = socket.inet_aton("192.0.2.10"), bytes([7, 0, 0, 0])
    >>> answering_from([(socket.IPPROTO_IP, 8, interface + called + called)])
    ((0, 8, b'\\x00\\x00\\x00\\x00\\xc0\\x00\\x02\\n\\x00\\x00\\x00\\x00'),)
    """
    found = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):  # address, interface
            found.append((int(level), int(kind), data[:16] + bytes(4)))
        elif (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):  # interface, local address, called address
            found.append((int(level), int(kind), bytes(4) + data[4:8] + bytes(4)))
    return tuple(found)


class UdpRelay:
    """Each sender gets a socket of its own towards the container, so that answers find their way back. A sender that
    calls several addresses of the host has one for each."""

    def __init__(self, held: socket.socket, target: Target, tasks: Tasks) -> None:
        self._held, self._target = held, target
        ask_for_called(held)
        self._loop = asyncio.get_running_loop()
        self._towards: dict[Caller, socket.socket] = {}
        self._timers: dict[Caller, asyncio.TimerHandle] = {}
        self._loop.add_reader(held, self._forward)

    def _forward(self) -> None:
        with contextlib.suppress(OSError):  # datagrams may be lost, as on any wire
            data, ancillary, _, sender = self._held.recvmsg(_CHUNK, socket.CMSG_SPACE(_PKTINFO))
            self._conversation((sender, *answering_from(ancillary))).send(data)

    def _conversation(self, sender: Caller) -> socket.socket:
        server = self._towards.get(sender)
        if server is None:
            if len(self._towards) >= _CONVERSATIONS:
                self._forget(next(iter(self._towards)))
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            server = socket.socket(_family(self._target), kind)
            with contextlib.ExitStack() as undo:
                undo.callback(server.close)
                server.connect(self._target)
                undo.pop_all()
            self._towards[sender] = server
            self._loop.add_reader(server, self._back, server, sender)
        self._remember(sender)
        return server

    def _back(self, server: socket.socket, sender: Caller) -> None:
        address, *called = sender
        with contextlib.suppress(OSError):
            self._held.sendmsg([server.recv(_CHUNK)], called, 0, address)
            self._remember(sender)

    def _remember(self, sender: Caller) -> None:
        if sender in self._timers:
            self._timers[sender].cancel()
        self._timers[sender] = self._loop.call_later(_IDLE_SECONDS, partial(self._forget, sender))

    def _forget(self, sender: Caller) -> None:
        server = self._towards.pop(sender)
        timer = self._timers.pop(sender, None)
        if timer is not None:
            timer.cancel()
        self._loop.remove_reader(server)
        server.close()

    def stop(self) -> None:
        self._loop.remove_reader(self._held)
        for sender in list(self._towards):
            self._forget(sender)

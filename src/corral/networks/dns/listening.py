"""Listening: questions that come to a door, over UDP and TCP, and the answers that go back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from abc import ABC, abstractmethod
from typing import Any

from corral.kit.tasks import Tasks
from corral.networks.dns.door import Door
from corral.networks.dns.wire import LARGEST, SERVFAIL, Query, answer

Sender = tuple[Any, ...]

_AT_ONCE = 64  # datagrams taken in one go, so that one busy container does not hold up the rest
_IDLE = 10.0  # seconds that a TCP connection may be silent


class Listening(ABC):
    """What one name server hears. Subclasses say what is known (`answer`), and how the rest is found out (`ask`).

    `most`: questions that may be under way elsewhere at one time; the rest is told that it failed.
    """

    def __init__(self, door: Door, most: int) -> None:
        self._door, self._most = door, most
        self._tasks = Tasks()
        self._under_way = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(door.udp, self._datagrams)
        self._loop.add_reader(door.tcp, self._connection)

    async def close(self) -> None:
        self._loop.remove_reader(self._door.udp)
        self._loop.remove_reader(self._door.tcp)
        self._door.close()
        await self._tasks.close()

    @abstractmethod
    def answer(self, data: bytes, *, tcp: bool) -> bytes | Query:
        """The answer, or the question that is to be passed on."""

    @abstractmethod
    async def ask(self, query: Query, data: bytes, *, tcp: bool) -> bytes:
        """What others say to a question; its failure, too, is an answer."""

    # UDP

    def _datagrams(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, sender = self._door.udp.recvfrom(LARGEST)
            except OSError:  # nothing more
                return
            self._datagram(data, sender)

    def _datagram(self, data: bytes, sender: Sender) -> None:
        known = self.answer(data, tcp=False)
        if isinstance(known, bytes):
            self._send(known, sender)
        elif self._under_way >= self._most:
            self._send(answer(known, code=SERVFAIL), sender)
        else:
            self._under_way += 1
            self._tasks.start("pass a question on", self._pass_on(known, data, sender))

    async def _pass_on(self, query: Query, data: bytes, sender: Sender) -> None:
        try:
            self._send(await self.ask(query, data, tcp=False), sender)
        finally:
            self._under_way -= 1

    def _send(self, data: bytes, sender: Sender) -> None:
        with contextlib.suppress(OSError):  # it has gone, or its buffer is full: datagrams may be lost
            if data:
                self._door.udp.sendto(data, sender)

    # TCP

    def _connection(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._door.tcp.accept()
            client.setblocking(False)
            if self._under_way >= self._most:
                client.close()
                return
            self._under_way += 1
            self._tasks.start("answer over TCP", self._serve(client))

    async def _serve(self, client: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=client)
            try:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    while True:
                        async with asyncio.timeout(_IDLE):
                            length = int.from_bytes(await reader.readexactly(2), "big")
                            data = await reader.readexactly(length)
                        known = self.answer(data, tcp=True)
                        reply = known if isinstance(known, bytes) else await self.ask(known, data, tcp=True)
                        if not reply:
                            return
                        writer.write(len(reply).to_bytes(2, "big") + reply)
                        await writer.drain()
            finally:
                writer.close()
        finally:
            self._under_way -= 1

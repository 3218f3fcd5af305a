"""The console of a process: a connection to its monitor's attach socket.

conmon speaks SOCK_SEQPACKET: each packet out of it is one byte for the stream (2 stdout, 3 stderr) and up to
8192 bytes; what goes in is raw standard input, and shutting down the sending side is its end.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from corral.errors import HostError, from_oserror

STDOUT, STDERR = 1, 2
_STREAMS = {2: STDOUT, 3: STDERR}
PACKET = 8192


class Console:
    """`read` gives (1 stdout | 2 stderr, bytes), None at the end."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._at_once = 0

    @classmethod
    def connect(cls, directory: str) -> Console:
        """Connects to the socket `attach` in `directory`, however long the path. HostError when nobody listens."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            held = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                connection.connect(f"/proc/self/fd/{held}/attach")
            finally:
                os.close(held)
        except OSError as error:
            connection.close()
            raise from_oserror(f"connect to the monitor's console in {directory}", error) from error
        return cls(connection)

    async def read(self) -> tuple[int, bytes] | None:
        reset = False
        while True:
            self._at_once = (self._at_once + 1) % 32
            if not self._at_once:  # a receive that has data does not wait, and must not starve everybody else
                await asyncio.sleep(0)
            try:
                packet = await self._loop.sock_recv(self._socket, PACKET + 1)
            except ConnectionResetError:  # the monitor ended with input unread: told before the output that waits
                if reset:
                    return None
                reset = True
                continue
            except OSError:
                return None
            if not packet:
                return None
            if len(packet) > 1:
                return _STREAMS.get(packet[0], STDOUT), packet[1:]

    async def write(self, data: bytes) -> None:
        """Standard input. HostError when the process reads no more."""
        try:
            for start in range(0, len(data), PACKET):
                await self._loop.sock_sendall(self._socket, data[start : start + PACKET])
        except OSError as error:
            raise HostError(f"write to the console: {error.strerror}", error.errno) from error

    def close_stdin(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        # A cancelled receive would take its reader away later, when the number may be another socket's.
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

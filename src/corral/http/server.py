"""Listeners and the connections that came through them."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl as tls
import stat
from typing import Any, NamedTuple

from corral.errors import Conflict, from_oserror
from corral.http.connection import Connection
from corral.http.message import Handler
from corral.http.tls import TlsLayer

BACKLOG = 1024


class Limits(NamedTuple):
    """`head`: bytes of a request line with its headers; `head_seconds`: how long one may take to arrive."""

    head: int = 65536
    head_seconds: float = 60.0


class Server:
    """Serves one handler on any number of listeners.

    `close` stops listening, lets answers under way end for `grace` seconds, then cuts what is left.
    """

    def __init__(self, handler: Handler, limits: Limits | None = None) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.connections: set[Connection] = set()
        self.closing = False
        self._listeners: list[asyncio.Server] = []
        self._paths: list[tuple[str, int]] = []
        self._empty: asyncio.Event | None = None

    def forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if self._empty is not None and not self.connections:
            self._empty.set()

    async def listen_unix(self, path: str, mode: int = 0o660, gid: int = -1) -> None:
        """Conflict when another process answers there; a socket that nobody serves is replaced. HostError."""
        await asyncio.to_thread(_remove_stale, path)
        try:
            sock = _bind_unix(path, mode, gid)
        except OSError as error:
            raise from_oserror(f"listen on {path}", error) from error
        self._paths.append((path, os.stat(path).st_ino))
        await self.listen_socket(sock)

    async def listen_socket(self, sock: socket.socket) -> None:
        """Serves a bound socket (one that systemd passed, say)."""
        loop = asyncio.get_running_loop()
        if sock.family == socket.AF_UNIX:
            listener = await loop.create_unix_server(lambda: Connection(self), sock=sock, backlog=BACKLOG)
        else:
            listener = await loop.create_server(lambda: Connection(self), sock=sock, backlog=BACKLOG)
        self._listeners.append(listener)

    async def listen_tcp(self, host: str, port: int, ssl: tls.SSLContext | None = None) -> int:
        """The port that is listened on (another than asked for when that was 0). At "::" also IPv4 comes in, as with
        servers written in Go. HostError."""
        loop = asyncio.get_running_loop()
        where: dict[str, Any] = {"host": host, "port": port}
        try:
            if host == "::":
                both = socket.has_dualstack_ipv6()
                where = {"sock": socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=both)}
            listener = await loop.create_server(lambda: self._accept(ssl), **where, backlog=BACKLOG)
        except OSError as error:
            raise from_oserror(f"listen on tcp://{host}:{port}", error) from error
        self._listeners.append(listener)
        return int(listener.sockets[0].getsockname()[1])

    def _accept(self, ssl: tls.SSLContext | None) -> asyncio.Protocol:
        connection = Connection(self)
        return TlsLayer(ssl, connection, self.limits.head_seconds) if ssl else connection

    async def close(self, grace: float = 5.0) -> None:
        self.closing = True
        for listener in self._listeners:
            listener.close()
        self._unlink()
        for connection in list(self.connections):
            connection.close_if_idle()
        if self.connections:
            self._empty = asyncio.Event()
            try:
                async with asyncio.timeout(grace):
                    await self._empty.wait()
            except TimeoutError:
                for connection in list(self.connections):
                    connection.abort()

    def _unlink(self) -> None:
        """Removes our sockets' names, unless somebody else has taken them meanwhile."""
        for path, inode in self._paths:
            try:
                if os.stat(path).st_ino == inode:
                    os.unlink(path)
            except FileNotFoundError:
                continue
        self._paths.clear()


def _remove_stale(path: str) -> None:
    """Removes a socket that nobody serves. Conflict when somebody does, or when it is no socket."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise Conflict(f"{path} exists and is not a socket: remove it or choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError as error:
            raise from_oserror(f"connect to {path}", error) from error
    raise Conflict(f"another process already serves {path}")


def _bind_unix(path: str, mode: int, gid: int) -> socket.socket:
    """A bound socket that never had wider permissions than asked for."""
    sock = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        sock.bind(path)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(umask)
    os.chown(path, -1, gid)
    os.chmod(path, mode)
    return sock

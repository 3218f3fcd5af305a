"""A real etcd for tests: Debian's etcd-server, with a directory and ports of its own."""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import grpc.aio
from aetcd import rpc

from tests.support.ports import free_ports
from tests.support.tools import tool
from tests.support.wait import eventually


class EtcdServer:
    """Runs while it is entered. `kill` and `start` are for those who want to see it fail."""

    def __init__(self, folder: Path, certificate: tuple[Path, Path] | None = None, client: Path | None = None) -> None:
        """With a certificate and its key it serves TLS; with a client's, it lets in nobody else."""
        self._folder, self._scheme, self._words = folder, "http", list[str]()
        if certificate:
            self._scheme = "https"
            self._words = ["--cert-file", str(certificate[0]), "--key-file", str(certificate[1])]
        if client:
            self._words += ["--client-cert-auth", "--trusted-ca-file", str(client)]
        self._port, self._peer_port = free_ports(2)
        self.endpoint = f"127.0.0.1:{self._port}"

    def start(self) -> None:
        client, peer = f"{self._scheme}://{self.endpoint}", f"http://127.0.0.1:{self._peer_port}"
        words = ["--data-dir", str(self._folder / "data"), "--listen-client-urls", client]
        words += ["--advertise-client-urls", client, "--listen-peer-urls", peer]
        words += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        with (self._folder / "log").open("ab") as log:
            self._begun = log.tell()  # what one said that was killed is not said of this one
            self._process = subprocess.Popen([tool("etcd"), *words, *self._words], stdout=log, stderr=log)
        eventually(self._serves, lambda: f"etcd serves: {(self._folder / 'log').read_text()[-2000:]}", seconds=60)

    def _serves(self) -> bool:
        assert self._process.poll() is None, "etcd has ended"
        socket.create_connection(("127.0.0.1", self._port), 1).close()
        return b"ready to serve client requests" in (self._folder / "log").read_bytes()[self._begun :]

    async def require_login(
        self, user: str, password: str, prefix: str, tls: tuple[bytes, bytes, bytes] | None = None
    ) -> None:
        """From now on only who logs in is let in: root, and a user who may use the keys of a prefix.

        `tls`: authority, key and certificate.
        """
        made = grpc.ssl_channel_credentials(*tls) if tls else None
        at = self.endpoint
        async with grpc.aio.secure_channel(at, made) if made else grpc.aio.insecure_channel(at) as channel:
            auth = rpc.AuthStub(channel)
            await auth.UserAdd(rpc.AuthUserAddRequest(name="root", password="root"))
            await auth.RoleAdd(rpc.AuthRoleAddRequest(name="root"))
            await auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="root", role="root"))
            await auth.UserAdd(rpc.AuthUserAddRequest(name=user, password=password))
            await auth.RoleAdd(rpc.AuthRoleAddRequest(name="keys"))
            end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
            allowed = rpc.Permission(permType=rpc.Permission.READWRITE, key=prefix.encode(), range_end=end.encode())
            await auth.RoleGrantPermission(rpc.AuthRoleGrantPermissionRequest(name="keys", perm=allowed))
            await auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user=user, role="keys"))
            await auth.AuthEnable(rpc.AuthEnableRequest())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


class Relay:
    """Another endpoint of the same etcd: hands bytes on, until it is cut."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._open = [self._server]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def cut(self) -> None:
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cut()

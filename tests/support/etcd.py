"""A real etcd for tests: Debian's etcd-server, with a directory and ports of its own."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.tools import tool
from tests.support.wait import eventually


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [made.getsockname()[1] for made in sockets]
    for made in sockets:
        made.close()
    return ports


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
            self._process = subprocess.Popen([tool("etcd"), *words, *self._words], stdout=log, stderr=log)
        eventually(self._serves, lambda: f"etcd serves: {(self._folder / 'log').read_text()[-2000:]}")

    def _serves(self) -> bool:
        assert self._process.poll() is None, "etcd has ended"
        socket.create_connection(("127.0.0.1", self._port), 1).close()
        return b"ready to serve client requests" in (self._folder / "log").read_bytes()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

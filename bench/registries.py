"""Registries side by side: ours and Debian's docker-registry, each a process of its own on the loopback.

The client costs as little as can be: what it reads is thrown away in the kernel, what it sends comes from a file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from bench.room import pss
from bench.statistics import Row, Target, collect
from tests.support.distribution import Distribution, free_port

OCI = "application/vnd.oci.image.manifest.v1+json"
PARALLEL = 4
BLOBS = 8
LEVEL = (Target("least", 1.0, "docker-registry"),)
ROWS = {
    "pull of large blobs": ("MB/s", LEVEL),
    "push of large blobs": ("MB/s", LEVEL),
    "small blobs pulled": ("/s", ()),
    "manifests": ("/s", ()),
    "idle": ("MB", ()),
    "memory after it": ("MB", ()),
}


class Peer:
    """A registry that runs: where, and which process it is."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid

    def memory(self) -> float:
        return pss(Path(f"/proc/{self.pid}/smaps_rollup").read_text()) / 1e6


@contextmanager
def ours(folder: Path) -> Iterator[Peer]:
    port = free_port()
    argv = [sys.executable, "-m", "corral.cli", "--root", str(folder), "registry", "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None and b"ready" in process.stdout.readline()
        yield Peer(port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def distribution(folder: Path) -> Iterator[Peer]:
    with Distribution(folder) as made:
        assert made._process is not None
        yield Peer(made.port, made._process.pid)


KINDS: Mapping[str, Callable[[Path], AbstractContextManager[Peer]]] = {"corral": ours, "docker-registry": distribution}


class Link:
    """One connection, kept."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, head: str, body: Path | bytes | None = None, kind: str = "") -> tuple[int, str, int]:
        """(status, the Location, how long the body was). `kind` is the body's media type."""
        size = body.stat().st_size if isinstance(body, Path) else len(body or b"")
        length = f"Content-Length: {size}\r\n" if body is not None else ""
        length += f"Content-Type: {kind}\r\n" if kind else ""
        accept = f"Accept: {OCI}\r\n"  # or docker-registry has no OCI manifests
        self._socket.sendall(f"{head} HTTP/1.1\r\nHost: localhost\r\n{accept}{length}\r\n".encode())
        if isinstance(body, Path):
            with body.open("rb") as file:
                self._socket.sendfile(file)
        elif body:
            self._socket.sendall(body)
        return self._answer()

    def _answer(self) -> tuple[int, str, int]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65536)
        top, _, rest = data.partition(b"\r\n\r\n")
        lines = top.decode().split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:]}
        length = int(headers.get("content-length", "0"))
        left = length - len(rest)
        scratch = bytearray(1 << 20)
        while left > 0:
            left -= self._socket.recv_into(scratch, min(left, len(scratch)), socket.MSG_TRUNC)
        return int(lines[0].split()[1]), headers.get("location", ""), length

    def push(self, repository: str, path: Path | bytes, digest: str) -> None:
        status, where, _ = self.ask(f"POST /v2/{repository}/blobs/uploads/", b"")
        assert status == 202, status
        where = "/" + where.partition("://")[2].partition("/")[2] if "://" in where else where
        status, _, _ = self.ask(f"PUT {where}{'&' if '?' in where else '?'}digest={digest}", path)
        assert status == 201, status

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _together(port: int, jobs: list[Callable[[Link], None]]) -> float:
    """Seconds for all, on PARALLEL connections."""

    def work(share: list[Callable[[Link], None]]) -> None:
        link = Link(port)
        for job in share:
            job(link)
        link.close()

    begin = time.perf_counter()
    with ThreadPoolExecutor(PARALLEL) as threads:
        list(threads.map(work, [jobs[start::PARALLEL] for start in range(PARALLEL)]))
    return time.perf_counter() - begin


def sample(peer: Peer, folder: Path, mb: int, requests: int) -> dict[str, float]:
    """`mb` megabytes in BLOBS blobs there and back, then many small requests."""
    found = {"idle": peer.memory()}
    large = [_random(folder / f"{peer.pid}-{number}", mb * 1_000_000 // BLOBS) for number in range(BLOBS)]
    os.sync()
    pushing = [lambda link, p=path, d=digest: link.push("bench/large", p, d) for path, digest in large]
    found["push of large blobs"] = mb / _together(peer.port, pushing)
    pulling = [lambda link, d=digest: _get(link, f"/v2/bench/large/blobs/{d}") for _, digest in large]
    found["pull of large blobs"] = mb / _together(peer.port, pulling)
    small = os.urandom(2000)
    link = Link(peer.port)
    link.push("bench/small", small, digest_of(small))
    status, _, _ = link.ask("PUT /v2/bench/small/manifests/1", _manifest(small), OCI)
    assert status == 201, status
    link.close()
    for path, row in ((f"blobs/{digest_of(small)}", "small blobs pulled"), ("manifests/1", "manifests")):
        asking = [lambda link, p=path: _get(link, f"/v2/bench/small/{p}")] * requests
        found[row] = requests / _together(peer.port, asking)
    found["memory after it"] = peer.memory()
    for path, _ in large:
        path.unlink()
    return found


def _get(link: Link, path: str) -> None:
    status, _, length = link.ask(f"GET {path}")
    assert status == 200 and length, (path, status)


def _random(path: Path, size: int) -> tuple[Path, str]:
    data = os.urandom(size)
    path.write_bytes(data)
    return path, digest_of(data)


def _manifest(blob: bytes) -> bytes:
    kind, size = "application/vnd.oci.empty.v1+json", len(blob)
    one = f'{{"mediaType": "{kind}", "digest": "{digest_of(blob)}", "size": {size}}}'
    return f'{{"schemaVersion": 2, "mediaType": "{OCI}", "config": {one}, "layers": [{one}]}}'.encode()


def measured(folder: Path, mb: int, requests: int, rounds: int) -> list[Row]:
    """A B, A B, …: each round in registries of its own."""
    samples = []
    for number in range(rounds):
        for name, start in KINDS.items():
            place = folder / f"{name}-{number}"
            with start(place) as peer:
                samples.append((name, sample(peer, folder, mb, requests)))
            shutil.rmtree(place)
    found = collect(samples)
    return [Row(f"registry: {name}", unit, found.get(name, {}), targets) for name, (unit, targets) in ROWS.items()]

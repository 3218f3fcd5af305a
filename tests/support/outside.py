"""A host that is not this one: a network namespace with a cable to ours, to try published ports from outside."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from ctypes import CDLL, get_errno
from threading import Event, Thread
from typing import TypeVar

from tests.support.wait import PATIENCE

T = TypeVar("T")

NAME = "corral-outside"
OURS, THEIRS = "198.51.100.1", "198.51.100.2"  # addresses that are set aside for examples
CLONE_NEWNET = 0x40000000


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def outside_host() -> Iterator[str]:
    """Yields the address by which the outside host reaches this machine."""
    _ip("netns", "add", NAME)
    try:
        _ip("link", "add", "croutside0", "type", "veth", "peer", "name", "eth0", "netns", NAME)
        _ip("address", "add", f"{OURS}/30", "dev", "croutside0")
        _ip("link", "set", "croutside0", "up")
        _ip("-n", NAME, "address", "add", f"{THEIRS}/30", "dev", "eth0")
        _ip("-n", NAME, "link", "set", "eth0", "up")
        _ip("-n", NAME, "route", "add", "default", "via", OURS)
        yield OURS
    finally:
        subprocess.run(["ip", "link", "del", "croutside0"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", NAME], check=False, capture_output=True)


def within(namespace: str, act: Callable[[], T]) -> T:
    """Call `act` in a thread of its own that has entered the network namespace at the path `namespace`."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            with open(namespace) as file:
                if CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(get_errno(), f"setns {namespace}")
            answers.append(act())
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=enter)
    thread.start()
    thread.join(60)
    if errors:
        raise errors[0]
    return answers[0]


def from_outside(act: Callable[[], T]) -> T:
    """Call `act` on the outside host."""
    return within(f"/run/netns/{NAME}", act)


@contextlib.contextmanager
def udp_echo(namespace: str, port: int) -> Iterator[None]:
    """A server in another namespace that sends every datagram back."""

    def bound() -> socket.socket:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", port))
        return server

    server = within(namespace, bound)

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                data, address = server.recvfrom(65536)
                server.sendto(data, address)

    server.settimeout(0.1)
    over = Event()
    thread = Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        server.close()


def ask_tcp(address: str, port: int, data: bytes = b"", *, seconds: float = 5) -> bytes:
    """Connect, send, half-close, read to the end."""
    with socket.create_connection((address, port), timeout=seconds * PATIENCE) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def ask_udp(address: str, port: int, data: bytes, *, seconds: float = 5) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(seconds * PATIENCE)
        asker.sendto(data, (address, port))
        return asker.recv(65536)

"""Load: clients that ask a Service without a pause, each request on a connection of its own, and what they saw."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import suppress

TIMEOUT = 5.0  # seconds that an answer may take
CLIENTS = 4


def ask(address: tuple[str, int], timeout: float = TIMEOUT) -> str:
    """The body of one GET. OSError, ValueError for what is no good answer."""
    with socket.create_connection(address, timeout) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost: meadow\r\n\r\n")
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise ValueError(f"not a good answer: {head[:60]!r}")
    return body.decode().strip()


def count_clients(patience: float) -> int:
    """
    >>> count_clients(1), count_clients(8)
    (4, 1)
    """
    return max(1, round(CLIENTS / patience))


class Load:
    """`answers` counts good answers by their first word, `failures` the others by their reason.

    `lost` has for each failure when it was asked and when it had failed, by the monotonic clock. `patience`: how many
    times slower than usual this machine is: answers may take so much longer, and fewer clients ask.
    """

    def __init__(self, address: tuple[str, int], patience: float = 1.0) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.lost: list[tuple[float, float, str]] = []
        self._address = address
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._timeout = TIMEOUT * patience
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count_clients(patience))]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            with suppress(RuntimeError):
                thread.join()

    @property
    def total(self) -> int:
        with self._lock:
            return self.answers.total() + self.failures.total()

    @property
    def failed(self) -> int:
        with self._lock:
            return self.failures.total()

    def seen(self) -> dict[str, int]:
        with self._lock:
            return dict(sorted(self.answers.items()))

    def _run(self) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            try:
                words = ask(self._address, self._timeout).split()
                with self._lock:
                    self.answers[words[0] if words else ""] += 1
            except (OSError, ValueError) as error:
                with self._lock:
                    self.failures[str(error)] += 1
                    self.lost.append((began, time.monotonic(), str(error)))
            self._ending.wait(0.005)

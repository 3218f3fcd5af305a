"""Docker's multiplexed stream: frames of eight bytes of header (stream, three zeros, length) and the data."""

from __future__ import annotations

STDIN, STDOUT, STDERR = 0, 1, 2


class Demux:
    """Takes bytes as they come, returns whole or partial payloads as (stream, data).

    >>> d = Demux()
    >>> d.feed(bytes([1, 0, 0, 0, 0, 0, 0, 5]) + b"he") + d.feed(b"llo" + bytes([2, 0]))
    [(1, b'he'), (1, b'llo')]
    """

    def __init__(self) -> None:
        self._head = b""
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        found = []
        while data:
            if self._left:
                part, data = data[: self._left], data[self._left :]
                self._left -= len(part)
                found.append((self._stream, part))
                continue
            need = 8 - len(self._head)
            self._head, data = self._head + data[:need], data[need:]
            if len(self._head) == 8:
                self._stream, self._left = self._head[0], int.from_bytes(self._head[4:], "big")
                self._head = b""
        return found

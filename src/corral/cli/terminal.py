"""The user's terminal: raw mode, its size, and the keys that detach from it."""

from __future__ import annotations

import os

from corral.cli.fail import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

DETACH_KEYS = "ctrl-p,ctrl-q"
CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(words: str) -> bytes:
    """The bytes of a key sequence: letters, or ctrl- and a letter or one of @ [ \\ ] ^ _.

    >>> parse_keys("ctrl-p,ctrl-q"), parse_keys("a,ctrl-[")
    (b'\\x10\\x11', b'a\\x1b')
    """
    keys = bytearray()
    for word in words.split(",") if words else []:
        name = word.removeprefix("ctrl-")
        if len(word) == 1:
            keys.append(ord(word))
        elif name != word and len(name) == 1 and name.isalpha() and name.isascii():
            keys.append(ord(name.lower()) - 96)
        elif name in CONTROL:
            keys.append(CONTROL[name])
        else:
            raise Failure(f"invalid detach keys ({words}): unknown character: '{word}'", 125)
    return bytes(keys)


class KeyFilter:
    """Finds the detach keys in what is typed. A begun sequence is held back until it is known to be none.

    >>> f = KeyFilter(b"\\x10\\x11")
    >>> f.feed(b"ab\\x10"), f.feed(b"c"), f.feed(b"\\x10"), f.feed(b"\\x11")
    ((b'ab', False), (b'\\x10c', False), (b'', False), (b'', True))
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """(what to pass on, whether to detach)"""
        if not self._keys:
            return data, False
        data, self._held = self._held + data, b""
        before, found, _ = data.partition(self._keys)
        if found:
            return before, True
        for length in range(min(len(self._keys) - 1, len(data)), 0, -1):
            if data.endswith(self._keys[:length]):
                self._held = data[-length:]
                return data[:-length], False
        return data, False


def is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def size(fd: int = 1) -> tuple[int, int]:
    """(rows, columns), (0, 0) if it is no terminal."""
    try:
        columns, rows = os.get_terminal_size(fd)
    except OSError:
        return 0, 0
    return rows, columns


class Raw:
    """While entered, keys go to us unedited and nothing is echoed; left, the terminal is as it was."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None

    def __enter__(self) -> Raw:
        if is_terminal(self._fd):
            import termios
            import tty

            self._before = termios.tcgetattr(self._fd)
            tty.setraw(self._fd, termios.TCSANOW)  # what was typed ahead is kept
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

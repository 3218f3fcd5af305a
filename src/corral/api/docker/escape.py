"""The keys that detach from a terminal without ending what runs in it: how they are written, and finding them."""

from __future__ import annotations

from typing import Final

DEFAULT: Final = b"\x10\x11"  # ctrl-p, ctrl-q
_CONTROL: Final = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def parse_keys(text: str) -> bytes:
    """Pure: keys as they are written, as the bytes that a terminal sends. ValueError for what is no key.

    >>> parse_keys("ctrl-p,ctrl-q"), parse_keys("ctrl-],x,DEL"), parse_keys("")
    (b'\\x10\\x11', b'\\x1dx\\x7f', b'')
    """
    return bytes(_key(key) for key in text.split(",")) if text else b""


def _key(key: str) -> int:
    if len(key) == 1 and ord(key) < 256:
        return ord(key)
    if key == "DEL":
        return 127
    if len(key) == 6 and key.startswith("ctrl-") and key[5] in _CONTROL:
        return _CONTROL.index(key[5])
    raise ValueError(f"Unknown character: '{key}'")


class EscapeScanner:
    """Reads what is typed. What may be the start of the keys is held back until it is clear.

    >>> scanner = EscapeScanner(b"\\x10\\x11")
    >>> scanner.feed(b"ls\\x10"), scanner.feed(b"x"), scanner.feed(b"\\x10\\x11more")
    ((b'ls', False), (b'\\x10x', False), (b'', True))
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """(what goes on to the process, whether the keys have come). What follows the keys is dropped."""
        if not self._keys:
            return data, False
        pending = self._held + data
        at = pending.find(self._keys)
        if at >= 0:
            self._held = b""
            return pending[:at], True
        keep = next(n for n in range(len(self._keys) - 1, -1, -1) if pending.endswith(self._keys[:n]))
        self._held = self._keys[:keep]
        return pending[: len(pending) - keep], False

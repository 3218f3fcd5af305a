"""What a store is: an ordered map from keys (text) to values (bytes), changed by atomic, numbered commits.

Every backend passes the same suite, tests/contract/test_store.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from corral.errors import InvalidInput

MAX_VALUE = 64 << 20  # bytes


class Store(Protocol):
    """Keys are ordered by code point. Each commit that changes anything has a revision, one more than the last."""

    async def get(self, key: str) -> bytes | None:
        """The value as of the last acknowledged commit, None if there is none."""
        ...

    async def range(self, prefix: str) -> list[tuple[str, bytes]]:
        """All keys that start with `prefix` ("" is all), in order, as of one moment."""
        ...

    async def commit(self, puts: Mapping[str, bytes], deletes: Iterable[str] = ()) -> int:
        """Makes all changes or none and returns the revision, once they would survive a loss of power.

        A missing key may be deleted. Without any change the present revision is returned. A caller that is
        cancelled while it waits does not undo the commit. Raises InvalidInput (a bad key, or one both put and
        deleted), NoSpace, Unavailable (closed, or locked by another program) and HostError (damaged, disk error).
        """
        ...

    def close(self) -> None:
        """Finishes the commits that were begun, then lets go of everything. May be called twice."""
        ...


class Changes:
    """One commit, checked and owned: the caller may change its own collections afterwards."""

    __slots__ = ("deletes", "puts")

    def __init__(self, puts: Mapping[str, bytes], deletes: Iterable[str]) -> None:
        self.puts = dict(puts)
        self.deletes = list(deletes)
        for key in (*self.puts, *self.deletes):
            check_key(key)
        for key, value in self.puts.items():
            if not isinstance(value, bytes):
                raise InvalidInput(f"the value of key {key!r} is {type(value).__name__}, not bytes")
            if len(value) > MAX_VALUE:
                raise InvalidInput(f"the value of key {key!r} has {len(value)} bytes, more than {MAX_VALUE}")
        both = self.puts.keys() & set(self.deletes)
        if both:
            raise InvalidInput(f"key {min(both)!r} is both put and deleted in one commit")

    def __bool__(self) -> bool:
        return bool(self.puts or self.deletes)


def check_key(key: str) -> None:
    """Raises InvalidInput unless `key` is text that every backend can keep: not empty, no NUL, valid Unicode.

    >>> check_key("containers/0a1b")
    """
    if not isinstance(key, str) or not key or "\0" in key:
        raise InvalidInput(f"not a key: {key!r}")
    if any("\ud800" <= char <= "\udfff" for char in key):
        raise InvalidInput(f"not a key (a lone surrogate): {key!r}")


def after_prefix(prefix: str) -> str | None:
    """Pure: the smallest text greater than everything that starts with `prefix`; None where there is no such text.

    >>> after_prefix("pods/"), after_prefix("a\\U0010ffff"), after_prefix("")
    ('pods0', 'b', None)
    """
    rest = prefix.rstrip("\U0010ffff")
    if not rest:
        return None
    following = ord(rest[-1]) + 1
    # Surrogates are no characters of their own: the code point after U+D7FF is U+E000.
    return rest[:-1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)

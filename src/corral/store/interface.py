"""What a store is: an ordered map from keys (text) to values (bytes), changed by atomic, numbered commits.

Each commit that changes anything has a revision, one more than the last one. The past can be read and watched from any
revision that is not compacted yet. Every backend passes the same suite, tests/contract/test_store.py.

A list and everything that happens after it, without a gap:

    page = await store.range("/registry/core/pods/")
    watch = store.watch("/registry/core/pods/", page.revision)
    try:
        async for changes in watch:
            ...
    finally:
        watch.close()
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, Self

from corral.errors import Conflict, InvalidInput, NotFound, Unavailable

MAX_VALUE = 64 << 20  # bytes; a backend may have a lower limit of its own
MAX_LEASE = 9_000_000_000  # seconds, as etcd has it


class Entry(NamedTuple):
    """A key with its value, the revisions that created it and that last changed it, and its lease (0: none)."""

    key: str
    value: bytes
    created: int
    modified: int
    lease: int = 0


class Change(NamedTuple):
    """What one commit made of one key. `value` None: deleted. `previous`: what was there, None if nothing."""

    revision: int
    key: str
    value: bytes | None
    previous: Entry | None


class Page(NamedTuple):
    """A part of a range as of `revision`, with the number of keys that come after it (0 without a limit)."""

    entries: list[Entry]
    revision: int
    remaining: int


class Room(NamedTuple):
    """How many changes a commit may have, and how many bytes in all."""

    changes: int
    size: int


ANYTHING = Room(sys.maxsize, sys.maxsize)


class Mismatch(Conflict):
    """A commit expected another revision of a key; nothing was done. 0 is a key that is not there."""

    def __init__(self, key: str, expected: int, found: int) -> None:
        said = f"has been changed at revision {found}" if found else "is not there"
        meant = f"at revision {expected}" if expected else "not to be there"
        super().__init__(f"key {key!r} {said}, expected {meant}")
        self.key, self.expected, self.found = key, expected, found


class Compacted(NotFound):
    """What was asked for lies before `oldest`, the first revision that can still be read (0: not known)."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(
            f"revision {revision} has been compacted" + (f", the oldest one is {oldest}" if oldest else "")
        )
        self.revision, self.oldest = revision, oldest


class NotYet(Unavailable):
    """A revision of the future was to be read; the present one is `current`."""

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(f"revision {revision} is in the future, the current one is {current}")
        self.revision, self.current = revision, current


class Lagging(Unavailable):
    """A watch was cut off because its reader did not keep up."""


class NoLease(NotFound):
    """A lease does not exist, or has run out."""

    def __init__(self, lease: int) -> None:
        super().__init__(f"lease {lease} does not exist")
        self.lease = lease


class Watch(Protocol):
    """Everything that happens under a prefix after a revision. Has one reader, on the event loop it was made on."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> list[Change]:
        """The next changes, of one commit or of several: ordered by revision, without a gap or a duplicate.

        Nothing is lost if the caller is cancelled. Ends after `close`. Raises Compacted (the watch starts too far in
        the past), Lagging (cut off), Unavailable (the store was closed or cannot be reached) and HostError; each for
        good. After all but the first, a new watch after `progress()` goes on where this one stopped.
        """
        ...

    def progress(self) -> int:
        """The revision up to which everything there was has been handed to the reader.

        On one machine it follows every commit; a remote store may tell of commits under other prefixes late.
        """
        ...

    def close(self) -> None:
        """No more changes come; a reader that waits is sent away. May be called twice."""
        ...


class Store(Protocol):
    """Keys are ordered by code point. All methods raise Unavailable (closed, unreachable, locked) and HostError."""

    @property
    def revision(self) -> int:
        """That of the last commit that this process has seen; 0 or what the backend begins with."""
        ...

    @property
    def room(self) -> Room:
        """What a commit may have for sure."""
        ...

    async def latest(self) -> int:
        """A revision that all commits which anybody was told of before the call have, at the most.

        A watch of everything ("") is sure to hear of a change at it or after it. On one machine it is `revision`.
        """
        ...

    async def get(self, key: str, revision: int | None = None) -> Entry | None:
        """The entry as of a revision or, without one, of the last acknowledged commit.

        Raises InvalidInput (see `check_key`), Compacted and NotYet.
        """
        ...

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int | None = None) -> Page:
        """The keys that start with `prefix` ("" is all) and are not before `start`, in order, as of one revision.

        At most `limit` (0: all). To go on: the same call with the page's revision, and the last key followed by
        "\\0" as `start`. Raises InvalidInput (see `check_text`), Compacted and NotYet.
        """
        ...

    async def commit(
        self,
        puts: Mapping[str, bytes],
        deletes: Iterable[str] = (),
        *,
        expect: Mapping[str, int] | None = None,
        lease: int = 0,
    ) -> int:
        """Makes all changes or none and returns the revision, once they would survive a loss of power.

        `expect`: for a key, the revision that must have changed it last; 0: it must not be there. `lease`: what is put
        goes when that lease ends; without one it stays, even if it had one before. A missing key may be deleted; if
        nothing changes, the present revision is returned. A caller that is cancelled while it waits does not undo the
        commit. Local stores make commits in the order in which they are asked for.

        Raises Mismatch, NoLease, InvalidInput (a bad key or value, or a key both put and deleted) and NoSpace.
        """
        ...

    def watch(self, prefix: str, after: int) -> Watch:
        """All changes under `prefix` after the revision `after`. Closing it is the caller's duty. InvalidInput."""
        ...

    async def compact(self, revision: int) -> None:
        """Forgets the past before `revision`, which itself can still be read, and watched after. NotYet."""
        ...

    async def grant(self, seconds: int) -> int:
        """A new lease, which ends after so many seconds and takes what was put with it along. InvalidInput."""
        ...

    async def keep_alive(self, lease: int) -> None:
        """It begins anew. NoLease."""
        ...

    async def revoke(self, lease: int) -> None:
        """It ends now. NoLease."""
        ...

    def close(self) -> None:
        """Finishes the commits that were begun, then lets go of everything. May be called twice."""
        ...


class Changes:
    """One commit, checked and owned: the caller may change its own collections afterwards."""

    __slots__ = ("deletes", "expect", "lease", "puts")

    def __init__(
        self,
        puts: Mapping[str, bytes],
        deletes: Iterable[str] = (),
        expect: Mapping[str, int] | None = None,
        lease: int = 0,
    ) -> None:
        self.puts = dict(puts)
        self.deletes = list(dict.fromkeys(deletes))
        self.expect = dict(expect or {})
        self.lease = lease
        for key in (*self.puts, *self.deletes, *self.expect):
            check_key(key)
        for key, value in self.puts.items():
            if not isinstance(value, bytes):
                raise InvalidInput(f"the value of key {key!r} is {type(value).__name__}, not bytes")
            if len(value) > MAX_VALUE:
                raise InvalidInput(f"the value of key {key!r} has {len(value)} bytes, more than {MAX_VALUE}")
        both = self.puts.keys() & set(self.deletes)
        if both:
            raise InvalidInput(f"key {min(both)!r} is both put and deleted in one commit")


def check_key(key: str) -> None:
    """Raises InvalidInput unless `key` is text that every backend can keep: not empty, no NUL, valid Unicode.

    >>> check_key("containers/0a1b")
    """
    if not isinstance(key, str) or not key or "\0" in key:
        raise InvalidInput(f"not a key: {key!r}")
    check_text(key)


def check_text(*words: str) -> None:
    """Raises InvalidInput for words with a lone surrogate, which no backend could even look for.

    >>> check_text("containers/", "containers/\\0é")
    """
    for word in words:
        if not word.isascii() and any("\ud800" <= char <= "\udfff" for char in word):
            raise InvalidInput(f"not a key (a lone surrogate): {word!r}")


def check_lease(seconds: int) -> None:
    """Raises InvalidInput unless a lease may last so long.

    >>> check_lease(3600)
    """
    if not 1 <= seconds <= MAX_LEASE:
        raise InvalidInput(f"a lease lasts from 1 to {MAX_LEASE} seconds, not {seconds}")


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

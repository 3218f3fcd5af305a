"""Digests: names made from content. A layer's *diff id* names its tar, a *chain id* that layer on those below it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

EMPTY_TAR = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"  # of 1024 zero bytes


def of(data: bytes) -> str:
    """The digest of some bytes.

    >>> of(bytes(1024)) == EMPTY_TAR
    True
    """
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Pure: the chain id of each layer, from the bottom. The first is its diff id; each next one hashes "below own".

    >>> chain_ids(["sha256:a"])
    ['sha256:a']
    >>> chain_ids(["sha256:a", "sha256:b"])[1] == of(b"sha256:a sha256:b")
    True
    """
    chains: list[str] = []
    for diff_id in diff_ids:
        chains.append(next_chain(chains[-1] if chains else "", diff_id))
    return chains


def next_chain(below: str, diff_id: str) -> str:
    """Pure: the chain id of a layer on those up to the chain id `below` ("" is none)."""
    return of(f"{below} {diff_id}".encode()) if below else diff_id


class Hasher:
    """Hashes what passes through it. `size` counts the bytes."""

    def __init__(self, algorithm: str = "sha256") -> None:
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.size = 0

    def update(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.update(chunk)
            yield chunk

    def digest(self) -> str:
        return f"{self._algorithm}:{self._hash.hexdigest()}"

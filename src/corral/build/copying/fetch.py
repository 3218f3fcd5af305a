"""Fetch: brings the sources of an ADD that are elsewhere, URLs and git repositories, to this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from corral.build.ops import CopyOp
from corral.errors import Unsupported

Report = Callable[[str, int, int], None]  # (URL, bytes so far, bytes in all or 0)


@dataclass(frozen=True)
class Fetched:
    """`root` is a directory with the file (called as its piece is) or, of a repository, with all its files.

    `digest` stands for all of it in the cache's key.
    """

    root: str
    digest: str


class Fetcher:
    """One for each instance. `place` is a directory of its own, where what was fetched is kept for the next time."""

    def __init__(self, place: str) -> None:
        self._place = place

    async def fetch(self, op: CopyOp, scratch: str, report: Report = lambda url, now, total: None) -> dict[str, Fetched]:
        """By the source as it is written; {} if all are here. What is found is put into `scratch`, the caller's."""
        if not any("://" in source for source in op.sources):
            return {}
        raise Unsupported("ADD of URLs is not there yet")

"""Fetch: brings sources that are elsewhere, URLs and git repositories, to this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from corral.build.copying.git import checkout, look
from corral.build.copying.giturl import GitRef
from corral.build.copying.http import LARGEST, Download, Kept, check, parse_checksum
from corral.build.copying.plan import plan_copy
from corral.build.ops import CopyOp
from corral.errors import from_oserror
from corral.images.remote.cancel import Cancel
from corral.images.remote.certificates import Trust
from corral.images.remote.threads import blocking
from corral.images.remote.wire import Wire
from corral.linux.archive import remove_tree

Report = Callable[[str, int, int], None]  # (URL, bytes so far, bytes in all or 0); on the event loop


def _silent(url: str, now: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Fetched:
    """`root` is a directory with the file (called as its piece is) or, of a repository, with all its files.

    `digest` stands for all of it in the cache's key; of a repository it is the commit and the part of it, and `later`
    brings it: who has the result already needs no clone.
    """

    root: str
    digest: str
    later: Callable[[], Awaitable[str]] | None = None

    async def here(self) -> Fetched:
        """The same, with its files."""
        return self if self.later is None else Fetched(await self.later(), self.digest)


class Fetcher:
    """One for each instance. `place` is a directory of its own, where downloads are kept for the next time; `limit` is
    the most bytes of one."""

    def __init__(self, place: str, *, wire: Wire | None = None, agent: str = "corral", limit: int = LARGEST) -> None:
        self._place, self._wire = place, wire or Wire(Trust(()))
        self._agent, self._limit = agent, limit
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def fetch(
        self, op: CopyOp, scratch: str, report: Report = _silent, *, ssh_agent: str = ""
    ) -> dict[str, Fetched]:  # fmt: skip
        """By the source as it is written; {} if all are here. It is all put below `scratch`, which is the caller's to
        remove; of a repository only when it is asked for with `here`.

        RemoteFailed, NotFound, InvalidInput, Unsupported without git, HostError.
        """
        found: dict[str, Fetched] = {}
        for piece in plan_copy(op):
            if piece.path in found or piece.kind not in ("url", "git"):
                continue
            if piece.git is not None:
                keep = op.keep_git_dir if piece.git.keep_git_dir is None else piece.git.keep_git_dir
                ref = _with_checksum(piece.git, op.checksum)
                found[piece.path] = await self._commit(ref, scratch, keep, ssh_agent)
            else:
                found[piece.path] = await self.url(piece.path, piece.name, scratch, op.checksum, report)
        return found

    async def url(
        self, url: str, name: str, scratch: str, checksum: str = "", report: Report = _silent
    ) -> Fetched:  # fmt: skip
        """The file is `name` in the directory that is returned."""
        if checksum:
            parse_checksum(checksum)
        key = hashlib.sha256(url.encode()).hexdigest()
        root = _fresh(scratch)
        loop = asyncio.get_running_loop()

        def moved(now: int, total: int) -> None:
            loop.call_soon_threadsafe(report, url, now, total)

        def work(cancel: Cancel) -> Kept:
            download = Download(self._wire, url, f"{self._place}/{key}", self._limit, self._agent)
            path, kept = download.run(cancel, moved)
            if checksum:
                check(url, path, checksum)
            _take(path, f"{root}/{name}")
            return kept

        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = await blocking("download", work)
        return Fetched(root, f"{kept.digest} {kept.mtime}")

    async def repository(
        self, ref: GitRef, scratch: str, *, keep_git_dir: bool = False, ssh_agent: str = ""
    ) -> Fetched:  # fmt: skip
        return await (await self._commit(ref, scratch, keep_git_dir, ssh_agent)).here()

    async def _commit(self, ref: GitRef, scratch: str, keep_git_dir: bool, agent: str) -> Fetched:
        tip = await look(ref, scratch, agent=agent)
        kept = ".git" if keep_git_dir else ""
        return Fetched(
            "",
            f"{tip.commit}{kept}:{ref.subdir}:{ref.submodules is not False}",
            lambda: checkout(ref, tip, _fresh(scratch), keep_git_dir=keep_git_dir, agent=agent),
        )

    async def prune(self) -> None:
        """Forgets all downloads but those that are under way."""
        for key in os.listdir(self._place) if os.path.isdir(self._place) else ():
            lock = self._locks.setdefault(key, asyncio.Lock())
            if not lock.locked():
                async with lock:
                    await asyncio.to_thread(remove_tree, f"{self._place}/{key}")

    def close(self) -> None:
        self._wire.close()


def _with_checksum(ref: GitRef, checksum: str) -> GitRef:
    return GitRef(ref.remote, ref.ref, ref.subdir, ref.checksum or checksum, ref.keep_git_dir, ref.submodules)


def _fresh(scratch: str) -> str:
    path = f"{scratch}/fetched-{os.urandom(6).hex()}"
    try:
        os.mkdir(path, 0o755)
    except OSError as error:
        raise from_oserror(f"make {path}", error) from error
    return path


def _take(path: str, to: str) -> None:
    """A second name for the file, so that it stays whatever comes next; on another disk a copy."""
    try:
        try:
            os.link(path, to)
        except OSError:
            shutil.copy2(path, to)
    except OSError as error:
        raise from_oserror(f"write {to}", error) from error


__all__ = ["Fetched", "Fetcher", "Report"]

"""Context: the directory that a build is given: a tar that was sent, a URL, a git repository, or only a Dockerfile.

::

    async with receive(place, body, dockerfile="Dockerfile", fetcher=fetcher) as context:
        BuildRequest(context=context.path, dockerfile_text=context.dockerfile_text, …)

It lives in `place`, which belongs to contexts alone and to root alone (files in it may be set-uid), and goes away at
the end; what a daemon that was killed leaves there the next one takes away. Owners in a context count for nothing.
One that is small is kept in memory: making and removing its files on a disk takes several times as long as the rest
of a build of which all is cached. (ext4 is slow to make many files where many were removed in the last half minute,
as a build before this one did: 50,000 take 20 s then, and 1 s in memory.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from corral.build.copying.archives import begins_as_tar
from corral.build.copying.fetch import Fetcher, Report
from corral.build.copying.giturl import parse_git_ref
from corral.build.copying.listing import read_small
from corral.build.copying.plan import is_url
from corral.errors import InvalidInput, NoSpace, from_oserror
from corral.kit.ignore import IGNORE_FILE, Ignore, ignore_files, parse_ignore
from corral.kit.tasks import Afterwork
from corral.linux import mounts
from corral.linux.archive import Limits, Tree, Unpacked, UnpackOptions, extract, remove_tree
from corral.linux.compression import decompressed
from corral.linux.proc import free_memory
from corral.linux.rooted import open_root
from corral.linux.streams import Inbox, ReadAhead, consume, in_thread
from corral.linux.tree import remove_at

LIMITS = Limits(entries=4_000_000, total=1 << 40)
_DOCKERFILE, _IGNORES, _PIECE = 16 << 20, 1 << 20, 1 << 18
_LARGEST_IN_MEMORY, _SHARE = 256 << 20, 32  # bytes of an archive; and of the memory that is free, one part of so many


@dataclass(frozen=True)
class Context:
    """`path` is a directory. `dockerfile_text` is set where the Dockerfile is not, or no longer, in it."""

    path: str
    dockerfile_text: str | None = None


def _silent(url: str, now: int, total: int) -> None:
    pass


@contextlib.asynccontextmanager
async def receive(
    place: str, body: AsyncIterator[bytes] | None = None, *, remote: str = "", dockerfile: str = "Dockerfile",
    fetcher: Fetcher, limits: Limits = LIMITS, report: Report = _silent, filtered: bool = False,
    afterwork: Afterwork | None = None, memory: bool = True, ssh_agent: str = "",
) -> AsyncIterator[Context]:  # fmt: skip
    """The context of one build. `remote` counts where it is set; without both it is an empty directory.
    `filtered`: who sent it has left out what is to be ignored. With `afterwork` nobody waits until it is removed.
    `ssh_agent` is for a repository. Without `memory` it is on the disk, however small.

    InvalidInput for a damaged or hostile archive, NotFound, RemoteFailed, Unsupported (git, zstd), NoSpace.
    """
    scratch = make_scratch(place)  # without waiting: nobody can be cancelled before it is sure to be removed
    try:
        received = await _receive(scratch, body, remote, fetcher, limits, report, memory, ssh_agent)
        if not filtered and received.dockerfile_text is None:
            received = await asyncio.to_thread(ignore, received.path, dockerfile)
        yield received
    finally:
        removal = partial(in_thread, "remove", lambda: _remove(scratch))
        if afterwork is not None:
            await afterwork.put("remove a context", removal)
        else:
            await asyncio.shield(removal())


async def _receive(
    scratch: str, body: AsyncIterator[bytes] | None, remote: str, fetcher: Fetcher, limits: Limits, report: Report,
    memory: bool, ssh_agent: str,
) -> Context:  # fmt: skip
    if remote:
        path, text = await _remote(remote, scratch, fetcher, limits, report, ssh_agent)
    else:
        path, text = _directory(scratch), None
        if body is not None:
            await consume(body, lambda chunks: _unpack_sent(chunks, path, limits, memory), name="context")
    return Context(path, text)


async def bring(
    reference: str, scratch: str, fetcher: Fetcher, *, limits: Limits = LIMITS, report: Report = _silent,
    ssh_agent: str = "",
) -> str:  # fmt: skip
    """A named context that is a URL (of an archive) or a git repository, as a directory below `scratch`."""
    path, text = await _remote(reference, scratch, fetcher, limits, report, ssh_agent)
    if text is not None:
        raise InvalidInput(
            f"{reference} is no archive: a named context must be an archive, a repository or a directory"
        )
    return path


async def _remote(
    remote: str, scratch: str, fetcher: Fetcher, limits: Limits, report: Report, ssh_agent: str
) -> tuple[str, str | None]:  # fmt: skip
    """(the directory, the Dockerfile if the URL is one)"""
    git = parse_git_ref(remote, context=True)
    if git is not None:
        fetched = await fetcher.repository(git, scratch, keep_git_dir=bool(git.keep_git_dir), ssh_agent=ssh_agent)
        return fetched.root, None
    if not is_url(remote):
        raise InvalidInput(f"remote context {remote[:200]!r} is no http(s) URL and no git repository")
    fetched = await fetcher.url(remote, "context", scratch, report=report)
    path = _directory(scratch)
    return path, await asyncio.to_thread(_open_download, remote, f"{fetched.root}/context", path, limits)


def _open_download(remote: str, file: str, path: str, limits: Limits) -> str | None:
    """Unpacks an archive into `path`; anything else must be a Dockerfile: its text."""
    with open(file, "rb") as opened:
        if begins_as_tar(_pieces(opened.fileno())):
            opened.seek(0)
            _unpack(_pieces(opened.fileno()), path, limits)
            return None
        opened.seek(0)
        data = opened.read(_DOCKERFILE + 1)
    try:
        if len(data) > _DOCKERFILE or b"\0" in data:
            raise ValueError
        return data.decode()
    except ValueError:
        raise InvalidInput(f"{remote} is neither an archive nor a Dockerfile") from None


def _pieces(fd: int) -> Iterator[bytes]:
    while data := os.read(fd, _PIECE):
        yield data


def plan_memory(free: int) -> int:
    """Pure: the most bytes of an archive that is unpacked in memory, when as many are free.

    >>> plan_memory(512 << 20) >> 20, plan_memory(64 << 30) >> 20
    (16, 256)
    """
    return min(_LARGEST_IN_MEMORY, free // _SHARE)


class _TooLarge(Exception):
    """More was sent than is kept."""


class _Kept:
    """What is sent, kept as it is read, so that it can be read `again` from its beginning. _TooLarge after `most`
    bytes; what came is kept even then."""

    def __init__(self, chunks: Inbox, most: int) -> None:
        self._chunks, self._left = chunks, most
        self._kept: deque[bytes] = deque()
        self._end: BaseException | None = None
        self._whole = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                self._kept.append(chunk)
                self._left -= len(chunk)
                if self._left < 0:
                    raise _TooLarge
                yield chunk
            self._whole = True
        except (_TooLarge, GeneratorExit):
            raise
        except BaseException as error:  # the stream broke, perhaps when nobody listened any more
            self._end = error
            raise

    def again(self) -> Iterator[bytes]:
        while self._kept:
            yield self._kept.popleft()
        if self._end is not None:
            raise self._end
        if not self._whole:
            yield from self._chunks


def _unpack_sent(chunks: Inbox, path: str, limits: Limits, memory: bool) -> None:
    """Into memory, while it comes, if all of it fits there; or else onto the disk."""
    if not memory:
        _unpack(chunks, path, limits, chunks.leave)
        return
    most = plan_memory(free_memory())
    kept = _Kept(chunks, most)
    if not _unpack_in_memory(kept, path, limits, 4 * most):
        _unpack(kept.again(), path, limits, chunks.leave)


def _unpack_in_memory(chunks: Iterable[bytes], path: str, limits: Limits, room: int) -> bool:
    """False, and nothing is there, if it needs more room, or attributes that only a disk keeps."""
    mounts.mount("tmpfs", path, "tmpfs", data=f"mode=0755,size={room},nr_inodes={room // 4096}")
    try:
        if not _unpack(chunks, path, limits).skipped:
            return True
    except (NoSpace, _TooLarge):
        pass
    mounts.unmount(path, lazy=True)
    return False


def _unpack(chunks: Iterable[bytes], path: str, limits: Limits, stop: Callable[[], None] | None = None) -> Unpacked:
    """Decompressing runs ahead of writing. What comes in belongs to root."""
    with ReadAhead(decompressed(chunks), stop) as plain:
        return extract(plain, path, UnpackOptions(owner=(0, 0), limits=limits, root_entry=False))


# .dockerignore


def ignore(path: str, dockerfile: str = "Dockerfile") -> Context:
    """Takes away what `DOCKERFILE.dockerignore`, or else `.dockerignore`, says; clients may have done it already.

    A Dockerfile that is ignored still counts: its text is kept. Blocking.
    """
    root = open_root(path)
    try:
        patterns = _patterns(root, dockerfile)
        if not patterns:
            return Context(path)
        text = _read(root, dockerfile, _DOCKERFILE)
        _take_away(path, Ignore(patterns))
        left = _read(root, dockerfile, _DOCKERFILE)
    except OSError as error:
        raise from_oserror(f"read {IGNORE_FILE}", error) from error
    finally:
        os.close(root)
    if text is None or left is not None:
        return Context(path)
    return Context(path, text.decode("utf-8", "surrogateescape"))


def _patterns(root: int, dockerfile: str) -> list[str]:
    for name in ignore_files(dockerfile):
        data = _read(root, name, _IGNORES)
        if data is not None:
            return parse_ignore(data.decode("utf-8", "replace"))
    return []


def _read(root: int, path: str, limit: int) -> bytes | None:
    try:
        return read_small(root, path, limit)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _take_away(path: str, ignore: Ignore) -> None:
    """Of a directory that is ignored only what an exception keeps stays, and the directories that lead there."""
    with Tree(path) as tree:
        todo, emptied = [""], []
        while todo:
            directory = todo.pop()
            fd = tree.directory(directory)
            for name, is_directory in _children(fd):
                below = f"{directory}/{name}" if directory else name
                if is_directory and not ignore.prunes(below):
                    todo.append(below)
                    if ignore.ignores(below):
                        emptied.append(below)
                elif ignore.ignores(below):
                    remove_at(fd, name)
        for below in reversed(emptied):
            parent, _, name = below.rpartition("/")
            with contextlib.suppress(OSError):  # something in it is kept
                os.rmdir(name, dir_fd=tree.directory(parent))


def _children(directory: int) -> list[tuple[str, bool]]:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        with os.scandir(fd) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    finally:
        os.close(fd)


# Scratch


def make_scratch(place: str) -> str:
    """A directory for one build, which only root enters."""
    path = f"{place}/{os.urandom(8).hex()}"
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        os.mkdir(path, 0o700)
    except OSError as error:
        raise from_oserror(f"make {path}", error) from error
    return path


def _directory(scratch: str) -> str:
    path = f"{scratch}/context"
    os.mkdir(path, 0o755)
    return path


def _remove(scratch: str) -> None:
    mounts.unmount(f"{scratch}/context", lazy=True)
    remove_tree(scratch)


__all__ = ["Context", "bring", "ignore", "make_scratch", "receive"]

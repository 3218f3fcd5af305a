"""`cp`: files into and out of a container, as tar over the API. The rules are those of cp -a and of Docker."""

from __future__ import annotations

import io
import os
import stat
import sys
import tarfile
import threading

from corral.cli.copying import plan_in, plan_out, split
from corral.cli.fail import ApiError, Failure, Misuse
from corral.cli.http import Reply, checked, quote
from corral.cli.options import Parsed, Verb, flag
from corral.cli.stream import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from corral.cli.session import Session

GO_DIRECTORY = 1 << 31  # os.ModeDir of Go's file modes
GO_SYMLINK = 1 << 27


def copy(session: Session, options: Parsed) -> int:
    source, target = split(options.args[0]), split(options.args[1])
    if source[0] and target[0]:
        raise Misuse("copying between containers is not supported", 1)
    if source[0]:
        return copy_out(session, options, *source, target[1])
    if target[0]:
        return copy_in(session, options, source[1], *target)
    raise Misuse("must specify at least one container source", 1)


def path_stat(reply: Reply) -> dict[str, Any]:
    import base64
    import json

    found: dict[str, Any] = json.loads(base64.b64decode(reply.headers["x-docker-container-path-stat"]))
    return found


def stat_in(session: Session, container: str, path: str) -> dict[str, Any] | None:
    """What is at that path of the container, None if nothing is."""
    place = f"/containers/{quote(container)}/archive"
    reply = session.client.send("HEAD", place, {"path": path})
    reply.link.close()
    if reply.status == 404 and "x-docker-container-path-stat" not in reply.headers:
        session.client.call(
            "GET", f"/containers/{quote(container)}/json"
        )  # says so if the container is what is missing
        return None
    if reply.status != 200:
        session.client.open("GET", place, {"path": path}).link.close()  # says why, which the answer to a HEAD cannot
        raise ApiError(reply.status, f"cannot look at {path} in {container}")
    return path_stat(reply)


class Pipe(io.RawIOBase):
    """The chunks of an answer as a file that tarfile can read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def copy_out(session: Session, options: Parsed, container: str, path: str, target: str) -> int:
    if options.on("follow-link"):
        path = _follow(session, container, path)
    query = {"path": path}
    reply = session.client.open("GET", f"/containers/{quote(container)}/archive", query)
    if target == "-":
        for data in reply.chunks():
            write_all(1, data)
        return 0
    is_directory = bool(path_stat(reply)["mode"] & GO_DIRECTORY)
    place, name = plan_out(path, is_directory, target, os.path.isdir(target), os.path.exists(target))
    if not os.path.isdir(place):
        raise Failure(f"invalid output path: directory {place!r} does not exist", 1)
    keep_owner = options.on("archive") and os.geteuid() == 0
    with tarfile.open(fileobj=io.BufferedReader(Pipe(reply.chunks()), 1 << 16), mode="r|") as tar:
        tar.extraction_filter = lambda member, _: member  # names are checked in `_extract`
        for entry in tar:
            first, _, rest = entry.name.strip("/").partition("/")
            if not (name if name is not None else first) and not rest:
                continue
            entry.name = "/".join(part for part in (first if name is None else name, rest) if part)
            if entry.islnk():
                inner = entry.linkname.strip("/").partition("/")
                entry.linkname = "/".join(part for part in (inner[0] if name is None else name, inner[2]) if part)
            _extract(tar, entry, place, keep_owner)
    return 0


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, place: str, keep_owner: bool) -> None:
    if not keep_owner:
        entry.uid, entry.gid, entry.uname, entry.gname = os.geteuid(), os.getegid(), "", ""
    target = os.path.join(place, entry.name)
    parent = os.path.realpath(os.path.dirname(target))
    if os.path.commonpath([parent, os.path.realpath(place)]) != os.path.realpath(place):
        raise Failure(f"the daemon sent a path outside the target: {entry.name}", 1)
    if not entry.isdir() and os.path.lexists(target) and not os.path.isdir(target):
        os.unlink(target)  # replaced, never written through: it may be a link
    tar.extract(entry, place, numeric_owner=True)


def _follow(session: Session, container: str, path: str) -> str:
    found = stat_in(session, container, path)
    if found and found["mode"] & GO_SYMLINK:
        return str(found["linkTarget"])
    return path


def copy_in(session: Session, options: Parsed, source: str, container: str, path: str) -> int:
    found = stat_in(session, container, path)
    if found and found["mode"] & GO_SYMLINK:
        path = found["linkTarget"]
        found = stat_in(session, container, path)
    target_is_directory = bool(found and found["mode"] & GO_DIRECTORY)
    query = {"noOverwriteDirNonDir": True, "copyUIDGID": options.on("archive")}
    url = f"/containers/{quote(container)}/archive"
    if source == "-":
        if not target_is_directory:
            raise Failure(f'destination "{container}:{path}" must be a directory', 1)
        body = iter(lambda: sys.stdin.buffer.read(1 << 16), b"")
        checked(session.client.send("PUT", url, {**query, "path": path}, body)).read()
        return 0
    look = os.stat if options.on("follow-link") else os.lstat
    try:
        is_directory = stat.S_ISDIR(look(source).st_mode)
    except OSError as error:
        raise Failure(f"lstat {source}: {(error.strerror or '').lower()}", 1) from None
    place, name = plan_in(source, is_directory, path, target_is_directory, found is not None)
    body = packed(source, name, options.on("follow-link"))
    checked(session.client.send("PUT", url, {**query, "path": place}, body)).read()
    return 0


def packed(source: str, name: str, follow: bool) -> Iterator[bytes]:
    """A tar of `source` under another name, made by a thread while it is sent."""
    read, write = os.pipe()
    failed: list[OSError] = []

    def pack() -> None:
        try:
            with os.fdopen(write, "wb") as out, tarfile.open(fileobj=out, mode="w|", dereference=False) as tar:
                real = os.path.realpath(source) if follow else source
                tar.add(real, arcname=name)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=pack, daemon=True)
    thread.start()
    with os.fdopen(read, "rb") as tar:
        while data := tar.read(1 << 16):
            yield data
    thread.join()
    if failed:
        raise Failure(f"read {source}: {(failed[0].strerror or str(failed[0])).lower()}", 1)


VERBS = {
    "cp": Verb(
        copy,
        "cp [OPTIONS] CONTAINER:PATH PATH|-  or  PATH|- CONTAINER:PATH",
        (
            flag("-a --archive", "keep owner and group"),
            flag("-L --follow-link", "a link that is named stands for what it points to"),
            flag("-q --quiet", "accepted for Docker's sake: there is no progress bar"),
        ),
        least=2,
        most=2,
        completes="containers",
    )
}

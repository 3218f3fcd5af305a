"""Outputs: what a build gives out, handed to the client: as the bytes of a tar, or as a directory that it receives."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import IO, Any, Final, Protocol

from corral.api.buildkit.diffcopy import DATA, ERROR, FIN, REQUEST, STAT, go_mode
from corral.api.buildkit.schema import message, parse
from corral.api.buildkit.session import Session, failed
from corral.errors import InvalidInput, Unsupported
from corral.http.grpc.calls import calling
from corral.http.grpc.flow import Flow
from corral.http.grpc.status import GrpcError
from corral.model.container import Struct

SEND: Final = "/moby.filesync.v1.FileSend/DiffCopy"
PIECE: Final = 256 << 10


class Target(Protocol):
    """Where the pieces of a tar go; `end` returns when the client has all of it."""

    async def write(self, data: bytes) -> None: ...

    async def end(self) -> None: ...


@asynccontextmanager
async def opened(session: Session | None, number: int, directory: IO[bytes] | None) -> AsyncIterator[Target]:
    """The client's exporter of this number. With `directory` it receives files, and the tar is kept in this file until
    it is whole."""
    if session is None or not session.serves(SEND):
        raise Unsupported(f"method {SEND} not supported by the client")
    try:
        async with calling(session.link, SEND, {"buildkit-attachable-exporter-id": [str(number)]}) as flow:
            yield _Directory(flow, directory) if directory else _Stream(flow)
    except GrpcError as error:
        raise failed(error) from error


class _Stream:
    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    async def write(self, data: bytes) -> None:
        await self._flow.send(message("BytesMessage", data=data).SerializeToString())

    async def end(self) -> None:
        await self._flow.end()
        while await self._flow.receive() is not None:
            pass
        self._flow.check()


class _Directory:
    def __init__(self, flow: Flow, file: IO[bytes]) -> None:
        self._flow, self._file = flow, file

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._file.write, data)

    async def end(self) -> None:
        told = await asyncio.to_thread(read_index, self._file)
        await send(self._flow, self._file, told)


class Told(Struct):
    """A file to be sent: what is told of it, and where its content is."""

    stat: dict[str, Any]
    offset: int = 0
    size: int = 0


def order(path: str) -> list[str]:
    """Pure: the key by which files are told of: a directory, then all that is in it.

    >>> sorted(["a.b", "a/c", "a"], key=order)
    ['a', 'a/c', 'a.b']
    """
    return path.split("/")


def read_index(file: IO[bytes]) -> list[Told]:
    """The files of a tar of our own, in order. Blocking."""
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as archive:
        return plan_told(archive)


def plan_told(members: Iterable[tarfile.TarInfo]) -> list[Told]:
    """Pure. Of files that are one (hard links) the first is the file, the others link to it.

    >>> file, link = tarfile.TarInfo("b/x"), tarfile.TarInfo("a")
    >>> file.size, link.type, link.linkname = 3, tarfile.LNKTYPE, "b/x"
    >>> [(one.stat["path"], one.stat["linkname"], one.size) for one in plan_told([file, link])]
    [('a', '', 3), ('b/x', 'a', 0)]
    """
    found = {name: one for one in members if (name := one.name.strip("/").removeprefix("./")) not in ("", ".")}
    firsts: dict[str, str] = {}
    told = []
    for name in sorted(found, key=order):
        member = found[name]
        target = member.linkname.strip("/").removeprefix("./") if member.islnk() else name
        first = firsts.setdefault(target, name)
        content = found.get(target, member)
        stat = _stat(name, content)
        if first != name and content.isreg():
            told.append(Told(stat | {"linkname": first}))
        else:
            told.append(Told(stat, content.offset_data, content.size if content.isreg() else 0))
    return told


def _stat(name: str, member: tarfile.TarInfo) -> dict[str, Any]:
    kinds = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block"}
    kind = kinds.get(member.type, "fifo" if member.isfifo() else "file")
    xattrs = {
        key.removeprefix("SCHILY.xattr."): value.encode(errors="surrogateescape")
        for key, value in member.pax_headers.items()
        if key.startswith("SCHILY.xattr.")
    }
    return {
        "path": name,
        "mode": go_mode(kind, member.mode),
        "uid": member.uid,
        "gid": member.gid,
        "size": member.size if kind == "file" else 0,
        "modTime": int(member.mtime * 10**9) if member.mtime % 1 else int(member.mtime) * 10**9,
        "linkname": member.linkname if kind == "symlink" else "",
        "devmajor": member.devmajor,
        "devminor": member.devminor,
        "xattrs": xattrs,
    }


async def send(flow: Flow, file: IO[bytes], told: list[Told]) -> None:
    """Tells of the files, and sends the contents of those that are asked for, until the client has enough."""
    wanted: asyncio.Queue[int] = asyncio.Queue()
    listening = asyncio.create_task(_listen(flow, wanted, len(told)), name="output")
    try:
        for one in told:
            await flow.send(message("Packet", type=STAT, stat=one.stat).SerializeToString())
        await flow.send(message("Packet", type=STAT).SerializeToString())
        while (number := await wanted.get()) >= 0:
            await _send_file(flow, file, number, told[number])
        await listening
        await flow.send(message("Packet", type=FIN).SerializeToString(), last=True)
        while await flow.receive() is not None:
            pass
        flow.check()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(flow: Flow, wanted: asyncio.Queue[int], count: int) -> None:
    """What the client asks for, each file once; -1 is the end."""
    asked: set[int] = set()
    try:
        while (data := await flow.receive()) is not None:
            packet = parse("Packet", data)
            if packet.type == FIN:
                return
            if packet.type == ERROR:
                raise InvalidInput(f"error from receiver: {packet.data.decode(errors='replace')}")
            if packet.type == REQUEST:
                if count <= packet.ID or packet.ID in asked:
                    raise InvalidInput(f"invalid file id {packet.ID}")
                asked.add(packet.ID)
                wanted.put_nowait(packet.ID)
        flow.check()
        raise InvalidInput("the client ended before it had all files")
    finally:
        wanted.put_nowait(-1)


async def _send_file(flow: Flow, file: IO[bytes], number: int, one: Told) -> None:
    def read(offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    left, offset = one.size, one.offset
    while left:
        data = await asyncio.to_thread(read, offset, min(left, PIECE))
        if not data:
            break
        left, offset = left - len(data), offset + len(data)
        await flow.send(message("Packet", type=DATA, ID=number, data=data).SerializeToString())
    await flow.send(message("Packet", type=DATA, ID=number).SerializeToString())

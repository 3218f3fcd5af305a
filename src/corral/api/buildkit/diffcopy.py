"""DiffCopy: a directory of the client's, sent file by file (fsutil's protocol), as a tar.

The client walks its directory and tells of every file (STAT). We ask for contents by number (REQ), a few at a time, so
that what waits here is bounded; pieces of them (DATA) come in any order. FIN from both sides ends it. What the paths
and links may do is judged by who unpacks the tar, as with any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from corral.api.buildkit.schema import message, parse
from corral.build.sent import END, File, Kind, begin, padding
from corral.errors import InvalidInput
from corral.http.grpc.flow import Flow

STAT, REQUEST, DATA, FIN, ERROR = range(5)
# The bits of Go's os.FileMode
DIRECTORY, LINK, DEVICE, FIFO, SOCKET, SETUID, SETGID, CHARACTER, STICKY = (
    *(1 << 31, 1 << 27, 1 << 26, 1 << 25, 1 << 24),
    *(1 << 23, 1 << 22, 1 << 21, 1 << 20),
)
AHEAD: Final = 4 << 20  # bytes of files that may have been asked for
MANY: Final = 64  # and how many files
TOLD: Final = 512 << 20  # bytes of what may have been told of files that are still to come
Note = Callable[[int], None]  # is told the bytes that have come so far


def kind_of(mode: int, link: str) -> Kind | None:
    """Pure: what a file is; None for what no archive has (a socket).

    >>> kind_of(DIRECTORY | 0o755, ""), kind_of(0o644, ""), kind_of(0o644, "a"), kind_of(SOCKET, "")
    ('dir', 'file', 'hardlink', None)
    """
    if mode & DIRECTORY:
        return "dir"
    if mode & LINK:
        return "symlink"
    if mode & DEVICE:
        return "char" if mode & CHARACTER else "block"
    if mode & FIFO:
        return "fifo"
    if mode & SOCKET:
        return None
    return "hardlink" if link else "file"


def unix_mode(mode: int) -> int:
    """Pure: the permission bits.

    >>> oct(unix_mode(SETUID | STICKY | 0o755))
    '0o5755'
    """
    special = ((SETUID, 0o4000), (SETGID, 0o2000), (STICKY, 0o1000))
    return mode & 0o777 | sum(bit for flag, bit in special if mode & flag)


def go_mode(kind: str, mode: int) -> int:
    """Pure: the other way round.

    >>> go_mode("dir", 0o1777) == DIRECTORY | STICKY | 0o777
    True
    """
    kinds = {"dir": DIRECTORY, "symlink": LINK, "char": DEVICE | CHARACTER, "block": DEVICE, "fifo": FIFO}
    special = ((SETUID, 0o4000), (SETGID, 0o2000), (STICKY, 0o1000))
    return kinds.get(kind, 0) | mode & 0o777 | sum(flag for flag, bit in special if mode & bit)


def file_of(stat: Any) -> File | None:
    """Pure: what a STAT tells. InvalidInput for a path that leads out."""
    path = stat.path
    if not path or path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise InvalidInput(f"the client sent an invalid path: {path[:200]!r}")
    kind = kind_of(stat.mode, stat.linkname)
    if kind is None:
        return None
    file = File(path, kind, mode=unix_mode(stat.mode), mtime=stat.modTime, link=stat.linkname)
    file.major, file.minor = stat.devmajor & 0xFFF, stat.devminor & 0xFFFFF
    file.xattrs = dict(stat.xattrs)
    if kind == "file":
        file.size = max(stat.size, 0)
    return file


class _Asked:
    """A file that was asked for. Of more than was told the rest is left out: it has grown since."""

    def __init__(self, file: File) -> None:
        self.file, self.size = file, file.size
        self.pieces: list[bytes] = []
        self.came, self.whole, self.begun = 0, False, False

    def feed(self, data: bytes) -> None:
        if not data:
            self.whole = True
            return
        data = data[: self.size - self.came]
        self.came += len(data)
        if data:
            self.pieces.append(data)

    def take(self) -> list[bytes]:
        """What can be written of it now, while it is the first one."""
        out: list[bytes] = []
        if not self.begun:
            if not self.whole and self.size <= AHEAD:
                return []
            self.begun = True
            self.file.size = self.came if self.whole else self.size  # it may have shrunk
            out.append(begin(self.file))
        out, self.pieces = out + self.pieces, []
        if self.whole:
            if self.came < self.file.size:
                raise InvalidInput(f"{self.file.name} became smaller while it was sent")
            out.append(padding(self.came))
        return out


class Receiver:
    """Takes packets, gives pieces of the tar, and says what is to be asked for. Pure."""

    def __init__(self) -> None:
        self._told: deque[bytes] = deque()  # STATs that nothing was done about yet
        self._next: File | None = None  # what the first of them tells
        self._waiting: deque[_Asked | File] = deque()  # in the order of the tar
        self._asked: dict[int, _Asked] = {}
        self._size = self._count = self._ahead = 0
        self._all = False
        self.came = 0

    @property
    def done(self) -> bool:
        return self._all and not self._told and not self._waiting

    def take(self, packet: Any) -> None:
        """InvalidInput."""
        if packet.type == STAT:
            self._stat(packet)
        elif packet.type == DATA:
            asked = self._asked.get(packet.ID)
            if asked is None:
                raise InvalidInput(f"the client sent a file that was not asked for: {packet.ID}")
            asked.feed(packet.data)
            if asked.whole:
                del self._asked[packet.ID]
        elif packet.type == ERROR:
            raise InvalidInput(f"error from sender: {packet.data.decode(errors='replace')}")

    def _stat(self, packet: Any) -> None:
        if not packet.HasField("stat"):
            self._all = True
            return
        data = packet.stat.SerializeToString()
        self._size += len(data)
        if self._size > TOLD:
            raise InvalidInput(f"the client tells of too many files: more than {TOLD >> 20} MB of names")
        self._told.append(data)

    def plan(self) -> list[int]:
        """Files to ask for now, by their numbers."""
        wanted: list[int] = []
        while self._told and len(self._waiting) < 2 * MANY:
            file = self._next = self._next or file_of(parse("FileStat", self._told[0]))
            if file is not None and file.kind == "file" and file.size:
                if self._ahead and (self._ahead + file.size > AHEAD or len(self._asked) >= MANY):
                    break
                asked = self._asked[self._count] = _Asked(file)
                self._waiting.append(asked)
                self._ahead += file.size
                wanted.append(self._count)
            elif file is not None:
                self._waiting.append(file)
            self._size -= len(self._told.popleft())
            self._next = None
            self._count += 1
        return wanted

    def pieces(self) -> list[bytes]:
        """What can be written now."""
        out: list[bytes] = []
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, File):
                out.append(begin(first))
            else:
                out += first.take()
                if not first.whole:
                    break
                self._ahead -= first.size
            self._waiting.popleft()
        return out


async def receive(flow: Flow, note: Note) -> AsyncGenerator[bytes, None]:
    """The tar. InvalidInput, GrpcError."""
    receiver = Receiver()
    while not receiver.done:
        data = await flow.receive()
        if data is None:
            flow.check()
            raise InvalidInput("the client ended in the middle of its files")
        receiver.came += len(data)
        receiver.take(parse("Packet", data))
        while True:
            wanted = receiver.plan()
            for number in wanted:
                await flow.send(message("Packet", type=REQUEST, ID=number).SerializeToString())
            pieces = receiver.pieces()
            for piece in pieces:
                yield piece
            if not pieces:
                break
        note(receiver.came)
    await flow.send(message("Packet", type=FIN).SerializeToString(), last=True)
    while await flow.receive() is not None:
        pass
    flow.check()
    yield END

"""What a build gives out: one tar, kept as it is, or unpacked into a directory that it cannot leave."""

from __future__ import annotations

import base64
import os
from contextlib import contextmanager, suppress

from corral.cli.fail import Failure
from corral.cli.stream import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Iterator
    from typing import BinaryIO, Protocol

    class Sink(Protocol):
        """Takes the tar piece by piece. `close` makes it count, `drop` forgets it."""

        def take(self, data: str) -> None: ...
        def close(self) -> None: ...
        def drop(self) -> None: ...


@contextmanager
def writing(path: str, what: str = "write") -> Iterator[None]:
    """What the host refuses is a Failure that names the place."""
    try:
        yield
    except BrokenPipeError:  # the reader has gone, which is its right
        raise
    except OSError as error:
        raise Failure(f"{what} {path}: {(error.strerror or str(error)).lower()}", 1) from None


class TarSink:
    """A file that appears only when it is whole, or stdout ("-")."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._part = f"{path}.{os.getpid()}.part"
        self._file: BinaryIO | None = None
        if os.path.isdir(path):
            raise Failure(f"open {path}: is a directory; a tar needs dest=FILE", 1)
        if path != "-":
            with writing(path, "open"):
                self._file = open(self._part, "wb")

    def take(self, data: str) -> None:
        if self._file is None:
            with writing("stdout"):
                write_all(1, base64.b64decode(data))
        else:
            with writing(self.path):
                self._file.write(base64.b64decode(data))

    def close(self) -> None:
        if self._file is not None:
            with writing(self.path):
                self._file.close()
                os.replace(self._part, self.path)

    def drop(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # of what could not be written: it is not wanted
                self._file.close()
            os.unlink(self._part)


class FolderSink:
    """The tar is kept aside, without a name, and unpacked when it is whole."""

    def __init__(self, path: str) -> None:
        import tempfile

        if os.path.lexists(path) and not os.path.isdir(path):
            raise Failure(f"open {path}: not a directory", 1)
        self.path = path
        self._file = tempfile.TemporaryFile()

    def take(self, data: str) -> None:
        with writing(self._aside()):
            self._file.write(base64.b64decode(data))

    @staticmethod
    def _aside() -> str:
        import tempfile

        return tempfile.gettempdir()

    def close(self) -> None:
        self._file.seek(0)
        with self._file:
            unpack(self._file, self.path)

    def drop(self) -> None:
        self._file.close()


def unpack(file: BinaryIO, folder: str) -> None:
    """Unpacks a tar below a directory. Nothing is written outside, whatever it says. Failure.

    What stands there already is replaced file by file; a link on the way is never followed.
    """
    import tarfile

    with writing(folder):
        os.makedirs(folder, exist_ok=True)
    modes: list[tuple[str, int]] = []
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for entry in tar:
            name = os.path.normpath("/" + entry.name).lstrip("/")
            if not name:
                continue
            path = os.path.join(folder, name)
            with writing(path):
                ensure_parents(folder, name)
                _make(tar, entry, folder, path)
            if entry.isdir():
                modes.append((path, entry.mode & 0o7777))
    for path, mode in reversed(modes):
        os.chmod(path, mode)


def ensure_parents(folder: str, name: str) -> None:
    """The directories above a name; what is there and no directory (a link is none) makes way."""
    path = folder
    for part in name.split("/")[:-1]:
        path = os.path.join(path, part)
        if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
            os.unlink(path)
        if not os.path.lexists(path):
            os.mkdir(path)


def _make(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: str, path: str) -> None:
    if entry.isdir():
        if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
            os.unlink(path)
        os.makedirs(path, exist_ok=True)
        return
    if os.path.lexists(path):
        if os.path.isdir(path) and not os.path.islink(path):
            raise Failure(f"write {path}: a directory is in its place", 1)
        os.unlink(path)
    makers: list[tuple[bool, Callable[[], object]]] = [
        (entry.issym(), lambda: os.symlink(entry.linkname, path)),
        (entry.islnk(), lambda: _hard_link(folder, entry.linkname, path)),
        (entry.isfile(), lambda: _write(tar, entry, path)),
        (entry.isfifo(), lambda: os.mkfifo(path, entry.mode & 0o777)),
    ]
    for fits, make in makers:
        if fits:
            make()
            return
    raise Failure(f"write {path}: devices are not made outside of containers", 1)


def _hard_link(folder: str, linkname: str, path: str) -> None:
    name = os.path.normpath("/" + linkname).lstrip("/")
    ensure_parents(folder, name)  # so that no link leads out on the way to it
    os.link(os.path.join(folder, name), path, follow_symlinks=False)


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
    import shutil

    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as target:
        source = tar.extractfile(entry)
        assert source is not None, "a regular file has content"
        shutil.copyfileobj(source, target, 1 << 20)
        os.fchmod(fd, entry.mode & 0o7777)
    os.utime(path, (entry.mtime, entry.mtime))

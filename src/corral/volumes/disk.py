"""Volumes on disk: `NAME/_data` holds the data, `NAME/opts.json` what is known of it. Blocking functions.

A volume comes into being, and goes, with one rename: a power failure leaves it whole or not at all. What begins
with a dot is being made or removed, and is swept away when the daemon starts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

import msgspec

from corral.errors import CorralError, from_oserror
from corral.linux import libc
from corral.linux.private import make_private
from corral.linux.tree import remove_tree
from corral.model.volume import Volume

log = logging.getLogger("corral")

DATA, ABOUT, STAGE = "_data", "opts.json", "_new"
_LONGEST = 255  # a file's name


def load(root: str) -> dict[str, Volume]:
    """All volumes under `root`, which is made if need be; removes what was left half-made or half-removed."""
    try:
        make_private(root)
        found = {}
        for name in os.listdir(root):
            place = os.path.join(root, name)
            if name.startswith("."):
                remove_tree(place)
            elif _has_data(place):
                remove_tree(os.path.join(place, STAGE))
                found[name] = _load_one(name, place)
    except OSError as error:
        raise from_oserror(f"read volumes in {root}", error) from error
    return found


def _has_data(place: str) -> bool:
    """Asked of the directory that holds it: on what is mounted at it, nobody may answer."""
    if not os.path.isdir(place):
        return False
    with os.scandir(place) as entries:
        return any(entry.name == DATA and entry.is_dir(follow_symlinks=False) for entry in entries)


def _load_one(name: str, place: str) -> Volume:
    """Data without a readable description is still a volume: nobody's data is hidden because of a small file."""
    mountpoint = os.path.join(place, DATA)
    try:
        with open(os.path.join(place, ABOUT), "rb") as file:
            about = msgspec.json.decode(file.read(), type=Volume)
        return msgspec.structs.replace(about, name=name, mountpoint=mountpoint)
    except FileNotFoundError:
        pass  # put there by hand
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("volume %s: %s is damaged, its labels and options are lost: %s", name, ABOUT, error)
    return Volume(name, mountpoint=mountpoint, created=os.stat(place).st_ctime_ns)


def create(root: str, volume: Volume) -> None:
    """Makes a volume's directories. NoSpace or HostError, with nothing left behind."""
    stage(root, volume)
    settle(root, volume)


def stage(root: str, volume: Volume) -> str:
    """Makes a volume that nobody sees yet, for `settle` or `discard`; where its data go. NoSpace or HostError."""
    place = _staged(root, volume)
    data = os.path.join(place, DATA)
    with _making(root, volume):
        remove_tree(place)
        os.mkdir(place, 0o711)
        os.mkdir(data, 0o755)
        os.chmod(data, 0o755)  # whatever the umask
        _write(os.path.join(place, ABOUT), msgspec.json.encode(msgspec.structs.replace(volume, mountpoint="")))
    return data


def settle(root: str, volume: Volume, *, filled: bool = False) -> None:
    """Puts what was staged in its place, for good; what it was `filled` with is on the disk before that."""
    place = _staged(root, volume)
    with _making(root, volume):
        sync_directory(place, whole=filled)
        os.rename(place, os.path.join(root, volume.name))
        sync_directory(root)


def discard(root: str, volume: Volume) -> None:
    """Removes what was staged."""
    place = _staged(root, volume)
    try:
        remove_tree(place)
    except (OSError, CorralError) as error:
        log.warning("%s is left until the next start: %s", place, error)


def _staged(root: str, volume: Volume) -> str:
    return _hidden(root, "new", volume.name)


def _hidden(root: str, what: str, name: str) -> str:
    """Where nobody sees it; what the start finds there it clears. A name may be as long as a file's may be, by itself.

    >>> _hidden("/v", "new", "a"), len(_hidden("", "new", "a" * 255))
    ('/v/.new-a', 69)
    """
    file = f".{what}-{name}"
    return os.path.join(root, file if len(file) <= _LONGEST else f".{what}-{sha256(name.encode()).hexdigest()}")


@contextmanager
def _making(root: str, volume: Volume) -> Iterator[None]:
    """A failure in the engine's words, with nothing left behind."""
    try:
        yield
    except OSError as error:
        discard(root, volume)
        place = os.path.join(root, volume.name)
        raise from_oserror(f"error while creating volume root path '{place}'", error) from error


def bury(root: str, name: str) -> str:
    """Takes a volume out of sight, for good; returns where what is left of it waits to be removed. One whose directory
    somebody has removed has gone."""
    place, grave = os.path.join(root, name), _hidden(root, "gone", name)
    try:
        remove_tree(grave)
        with suppress(FileNotFoundError):
            os.rename(place, grave)
        sync_directory(root)
    except OSError as error:
        raise from_oserror(f"error removing volume path '{place}'", error) from error
    return grave


def clear(place: str) -> None:
    """Removes a tree. HostError if that is not possible."""
    try:
        remove_tree(place)
    except OSError as error:
        raise from_oserror(f"error removing volume path '{place}'", error) from error


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: str, *, whole: bool = False) -> None:
    """`whole`: with all that the file system has, which costs less than one call for each of many files."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if whole and libc.syncfs(fd) != 0:
            raise OSError(libc.last_error(), os.strerror(libc.last_error()))
        os.fsync(fd)
    finally:
        os.close(fd)


def is_empty(path: str) -> bool:
    with os.scandir(path) as entries:
        return next(entries, None) is None


def size(path: str) -> int:
    """Bytes of the files below `path`, each file counted once; what vanishes meanwhile counts nothing."""
    total, seen = 0, set[tuple[int, int]]()
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                status = os.lstat(os.path.join(directory, name))
            except FileNotFoundError:
                continue
            if (identity := (status.st_dev, status.st_ino)) not in seen:
                total += status.st_size
            if status.st_nlink > 1:
                seen.add(identity)
    return total

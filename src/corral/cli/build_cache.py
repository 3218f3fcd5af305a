"""Local caches of `corral build`: OCI image layouts in directories here, as BuildKit's of type=local are.

One that is read is sent, as far as the manifest that is asked for needs it; one that is written comes as a tar, whose
blobs go beside those that are there already, and whose tag goes into index.json.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import sys

from corral.cli.build_output import writing
from corral.cli.fail import Failure
from corral.cli.tarring import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Iterator
    from typing import Any

    Json = dict[str, Any]

TAG = "org.opencontainers.image.ref.name"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BLOB = re.compile(r"blobs/sha256/[0-9a-f]{64}")
_INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}


# Reading.


def split(stores: list[Json], warn: Callable[[str], None]) -> tuple[list[Json], dict[int, set[str]]]:
    """The caches to read without those that are not there, which is told and no reason to fail; and of each local one,
    by its number, the files that are to be sent."""
    kept: list[Json] = []
    needed: dict[int, set[str]] = {}
    for store in stores:
        if store["kind"] == "local":
            try:
                needed[len(kept)] = files_of(store["ref"], **store["options"])
            except (OSError, ValueError) as error:
                warn(f"WARNING: local cache import at {store['ref']} not found due to err: {error}")
                continue
        kept.append(store)
    return kept, needed


def files_of(folder: str, tag: str = "latest", digest: str = "", **_: str) -> set[str]:
    """The names of the files of a cache: its index, and all blobs that the manifest needs. OSError, ValueError."""
    wanted = digest
    for entry in _read(folder, "index.json").get("manifests", ()) if not digest else ():
        if (entry.get("annotations") or {}).get(TAG) == (tag or "latest"):
            wanted = entry["digest"]
            break
    if not wanted:
        raise ValueError(f"no digest found for tag {tag or 'latest'}")
    return {"index.json", *(_name(found) for found in reachable(folder, wanted))}


def reachable(folder: str, digest: str) -> Iterator[str]:
    """A document of a layout, and all that it names, documents in it included. OSError, ValueError."""
    yield digest
    found = _read(folder, _name(digest))
    for entry in (found.get("config"), *(found.get("layers") or ())):
        if entry:
            yield entry["digest"]
    for entry in found.get("manifests") or ():
        if ".manifest." in entry.get("mediaType", "") or ".index." in entry.get("mediaType", ""):
            yield from reachable(folder, entry["digest"])
        else:
            yield entry["digest"]


def _read(folder: str, name: str) -> Json:
    with open(os.path.join(folder, name), "rb") as file:
        found = json.load(file)
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no object")
    return found


def _name(digest: str) -> str:
    """
    >>> _name("sha256:" + "0" * 64) == "blobs/sha256/" + "0" * 64
    True
    """
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no digest")
    return f"blobs/{digest.replace(':', '/', 1)}"


def packed(folder: str, names: set[str]) -> Iterator[bytes]:
    """These files of a directory as a tar."""
    above = {os.path.dirname(name) for name in names} | {"blobs", ""}

    def skip(name: str) -> tuple[bool, bool]:
        return name not in names and name not in above, name not in above

    return pack(folder, skip)


# Writing.


def check_reset(store: Json) -> bool:
    """Pure: whether blobs that no tag needs any more are to go: an option that is ours alone, so it is taken out.

    >>> store = {"kind": "local", "options": {"reset": "true"}}
    >>> check_reset(store), store["options"]
    (True, {})
    """
    text = store["options"].pop("reset", "false")
    if text.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise Failure(f"--cache-to: reset={text} is neither true nor false", 125)
    return text.lower() in ("1", "t", "true")


class CacheSink:
    """Takes a cache's tar. It is kept aside, without a name, until it is whole."""

    def __init__(self, store: Json) -> None:
        import tempfile

        self.folder, self._reset = store["ref"], check_reset(store)
        self._optional = store["options"].get("ignore-error", "").lower() in ("1", "t", "true")
        if os.path.lexists(self.folder) and not os.path.isdir(self.folder):
            raise Failure(f"open {self.folder}: not a directory", 1)
        self._aside = tempfile.gettempdir()
        self._file = tempfile.TemporaryFile()
        self._size = 0

    def take(self, data: str) -> None:
        with writing(self._aside):
            self._size += self._file.write(base64.b64decode(data))

    def close(self) -> None:
        """It counts from now on, if anything came: a cache that could not be made, and need not be, has none."""
        with self._file:
            if self._size:
                self._file.seek(0)
                try:
                    with writing(self.folder):
                        self._unpack()
                except Failure as failure:
                    if not self._optional:
                        raise
                    sys.stderr.write(f"WARNING: local cache export to {self.folder} failed: {failure}\n")

    def drop(self) -> None:
        self._file.close()

    def _unpack(self) -> None:
        import tarfile

        os.makedirs(os.path.join(self.folder, "blobs/sha256"), exist_ok=True)
        index: Json = {}
        with tarfile.open(fileobj=self._file, mode="r:") as tar:
            for entry in tar:
                if entry.isdir():
                    continue
                if entry.name == "index.json":
                    source = tar.extractfile(entry)
                    assert source is not None, "it is no directory"
                    index = json.load(source)
                else:
                    self._place(tar, entry)
        self._merge(index)
        if self._reset:
            self._forget()

    def _place(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        """A blob that is there already is the same."""
        if entry.name != "oci-layout" and not _BLOB.fullmatch(entry.name):
            raise Failure(f"write {self.folder}: {entry.name} is no file of a cache", 1)
        source, path = tar.extractfile(entry), os.path.join(self.folder, entry.name)
        assert source is not None, "an entry of a layout is a regular file"
        with contextlib.suppress(FileNotFoundError):
            if entry.name != "oci-layout" and os.stat(path).st_size == entry.size:
                return
        _write_whole(path, iter(lambda: source.read(1 << 20), b""))

    def _merge(self, index: Json) -> None:
        """The tag leads to what has come; other tags stay."""
        path = os.path.join(self.folder, "index.json")
        try:
            old = _read(self.folder, "index.json")
        except (OSError, ValueError):
            old = dict(_INDEX)
        _write_whole(path, iter([json.dumps(merged(old, index), separators=(",", ":")).encode()]))

    def _forget(self) -> None:
        """Removes the blobs that no manifest needs any more."""
        found = _read(self.folder, "index.json")
        try:
            kept = {name for entry in found["manifests"] for name in reachable(self.folder, entry["digest"])}
        except (OSError, ValueError) as error:
            raise Failure(f"reset {self.folder}: failed to collect referenced blobs: {error}", 1) from None
        blobs = os.path.join(self.folder, "blobs/sha256")
        for name in os.listdir(blobs):
            if f"sha256:{name}" not in kept:
                os.unlink(os.path.join(blobs, name))


def merged(old: Json, new: Json) -> Json:
    """Pure: an index in which the tags of `new` lead where `new` says.

    >>> a, b = ({"digest": name, "annotations": {TAG: "t"}} for name in "ab")
    >>> merged({"schemaVersion": 2, "manifests": [a, {"digest": "c"}]}, {"manifests": [b]})["manifests"] == \\
    ...     [{"digest": "c"}, b]
    True
    """
    tags = {(entry.get("annotations") or {}).get(TAG) for entry in new["manifests"]}
    kept = [entry for entry in old.get("manifests") or () if (entry.get("annotations") or {}).get(TAG) not in tags]
    return {**old, "manifests": [*kept, *new["manifests"]]}


def _write_whole(path: str, pieces: Iterator[bytes]) -> None:
    """A file that appears only when it is whole."""
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            for piece in pieces:
                file.write(piece)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise

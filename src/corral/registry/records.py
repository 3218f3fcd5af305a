"""Records: what a registry remembers of each blob, manifest and tag, as rows of a store.

::

    b/team/app@sha256:…   Blob      that this repository has the blob, which lies in the content store
    m/team/app@sha256:…   Manifest  likewise, with what it refers to
    t/team/app:latest     Tag       what the tag means now
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

import msgspec

from corral.store import database


class Blob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`at`: when it was pushed, in nanoseconds since the epoch."""

    size: int
    at: int


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """`blobs`, `children`, `foreign`, `subject`: digests (see `manifests.Manifest`). `untagged`: when its last tag was
    taken away or went over to another, 0 if that has never happened."""

    media_type: str
    size: int
    at: int
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    subject: str = ""
    artifact_type: str = ""
    annotations: dict[str, str] = {}
    untagged: int = 0


class Tag(msgspec.Struct, frozen=True, array_like=True, gc=False):
    digest: str
    at: int


Record = Blob | Manifest | Tag
_TYPES = {"b": Blob, "m": Manifest, "t": Tag}


def blob_key(repository: str, digest: str) -> str:
    return f"b/{repository}@{digest}"


def manifest_key(repository: str, digest: str) -> str:
    return f"m/{repository}@{digest}"


def tag_key(repository: str, tag: str) -> str:
    return f"t/{repository}:{tag}"


def split_key(key: str) -> tuple[str, str, str]:
    """(kind, repository, digest or tag).

    >>> split_key("t/team/app:v1"), split_key("b/a@sha256:0")
    (('t', 'team/app', 'v1'), ('b', 'a', 'sha256:0'))
    """
    kind, rest = key[0], key[2:]
    repository, _, item = rest.partition(":" if kind == "t" else "@")
    return kind, repository, item


def decode(key: str, value: bytes) -> Record:
    found: Record = msgspec.msgpack.decode(value, type=_TYPES[key[0]])
    return found


def encode(record: Record) -> bytes:
    return msgspec.msgpack.encode(record)


def digests_on_disk(path: str) -> Sequence[str]:
    """The blobs that the registry with this database needs, read without opening it. Blocking; [] if there is none.

    A registry that nobody has asked anything yet is not loaded, but what it has must be kept. HostError; Unavailable
    if a registry in another process has it open.
    """
    if not os.path.exists(path):
        return []
    db = database.open_file(path)
    try:
        rows = db.execute("SELECT key FROM entries WHERE (key >= 'b/' AND key < 'b0') OR (key >= 'm/' AND key < 'm0')")
        return [split_key(key)[2] for (key,) in rows]
    except sqlite3.Error as error:
        raise database.translate(path, error) from error
    finally:
        db.close()

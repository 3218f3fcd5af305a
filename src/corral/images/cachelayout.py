"""Cache layout: layers kept for later builds in an OCI image layout, as BuildKit's caches of type=local are::

    oci-layout
    index.json       a manifest for each tag
    blobs/sha256/    the manifests, their configurations, the layers' blobs

It is made as a tar for whoever asked for it, and read from a directory that they sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from corral.errors import InvalidInput, NotFound, from_oserror
from corral.images.digests import Hasher, of
from corral.images.layers import Layer
from corral.images.load import finished
from corral.images.manifests import OCI_INDEX, blob_name
from corral.images.remote.caches import CONFIG, build_cache_manifest, config_of
from corral.images.remote.documents import LARGEST, OCI_MANIFEST, Blob, Manifest, parse_document
from corral.linux.compression import compressor
from corral.linux.rooted import open_in_root, open_root
from corral.linux.streams import in_thread
from corral.linux.tar.entry import Entry
from corral.linux.tar.writer import END, entry_bytes, padding

if TYPE_CHECKING:
    from corral.images.draft import Draft
    from corral.images.library import Images

REF_NAME = "org.opencontainers.image.ref.name"
_SMALL = 32 << 20
_PIECE = 1 << 18
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ENDS = {"gzip": "+gzip", "zstd": "+zstd", "uncompressed": ""}

Write = Callable[[bytes], None]


# Reading.


class LayoutCache:
    """A cache in a directory, which somebody else filled: `config` is what it says of itself, `layers` its blobs."""

    def __init__(self, images: Images, root: str, config: bytes, config_type: str, layers: list[Blob]) -> None:
        self._images, self._root = images, root
        self.config, self.config_type, self.layers = config, config_type, layers

    async def bring(self, blob: Blob, diff: str, draft: Draft) -> None:
        """One of its layers becomes the next one of `draft`. InvalidInput if it is not `diff`, or damaged."""
        below, images = draft.dirs(), self._images

        def unpack() -> Layer:
            hasher = Hasher(blob.digest.partition(":")[0])
            name = blob_name(blob.digest)
            with _open(self._root, name) as file:  # not in the generator: one that an error has left holds the file
                source = hasher.through(_pieces(file, name))
                made = images.layers.unpack(source, lambda: below, images.limits)
                for _ in source:  # what stands behind the compressed data counts for the digest
                    pass
            if hasher.digest() != blob.digest or made.diff != diff:
                images.layers.remove([made])
                raise InvalidInput(f"blob {blob.digest} has the digest {hasher.digest()}, and unpacks to {made.diff}")
            return made

        draft.add_next(await finished(in_thread("unpack cache", unpack), images))


def read_cache(images: Images, root: str, *, tag: str = "", digest: str = "") -> LayoutCache:
    """The cache under a tag ("" is latest), or of a digest. NotFound, InvalidInput. Blocking."""
    wanted = digest or _tagged(_small(root, "index.json"), tag or "latest")
    data = _checked(root, wanted)
    document = parse_document(data, "", wanted, "the cache")
    config, layers = (document.config, document.layers) if isinstance(document, Manifest) else config_of(document)
    if config is None:
        raise InvalidInput("its index has no configuration of a cache")
    return LayoutCache(images, root, _checked(root, config.digest), config.mediaType, layers)


def _tagged(index: bytes, tag: str) -> str:
    """Pure: the digest of the manifest with this tag. NotFound, InvalidInput."""
    try:
        entries = msgspec.json.decode(index)["manifests"]
        for entry in entries:
            if (entry.get("annotations") or {}).get(REF_NAME) == tag:
                return str(entry["digest"])
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"its index.json cannot be read: {error}") from None
    raise NotFound(f"no digest found for tag {tag} in its index.json")


def _checked(root: str, digest: str) -> bytes:
    data = _small(root, blob_name(digest))
    hasher = Hasher(digest.partition(":")[0])
    hasher.update(data)
    if hasher.digest() != digest:
        raise InvalidInput(f"blob {digest} is damaged: its content has the digest {hasher.digest()}")
    return data


def _small(root: str, name: str) -> bytes:
    data = b""
    with _open(root, name) as file:
        for piece in _pieces(file, name):
            data += piece
            if len(data) > (_SMALL if name != "index.json" else LARGEST):
                raise InvalidInput(f"{name} is too large")
    return data


def _open(root: str, name: str) -> BinaryIO:
    """A file to be read; no link leads out of the directory. NotFound, HostError."""
    try:
        top = open_root(root)
        try:
            fd = open_in_root(top, name, os.O_RDONLY | os.O_NONBLOCK)
        finally:
            os.close(top)
        try:
            return open(fd, "rb", buffering=0)
        except OSError:  # a directory
            os.close(fd)
            raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise NotFound(f"{name} is missing") from None
    except OSError as error:
        raise from_oserror(f"read {name} of a cache", error) from error


def _pieces(file: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        while piece := file.read(_PIECE):
            yield piece
    except OSError as error:
        raise from_oserror(f"read {name} of a cache", error) from error


# Writing.


def write_cache(
    write: Write,
    images: Images,
    layers: Sequence[Layer],
    describe: Callable[[list[Blob]], bytes],
    *,
    tag: str = "",
    compression: str = "",
    level: int | None = None,
) -> str:
    """Writes the layout as a tar; the manifest's digest. The caller holds the layers. HostError if one is damaged on
    disk; then the tar is cut short. Blocking."""
    for name in ("blobs", "blobs/sha256"):
        write(entry_bytes(Entry(name, "dir", mode=0o755)))
    blobs: dict[str, Blob] = {}
    for layer in layers:
        if layer.diff not in blobs:
            blobs[layer.diff] = _write_layer(write, images, layer, compression or "gzip", level)
    found = [blobs[layer.diff] for layer in layers]
    config = describe(found)
    manifest = build_cache_manifest(config, found)
    for data in (config, manifest):
        _put(write, blob_name(of(data)), data)
    _put(write, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    _put(write, "index.json", build_index(manifest, tag or "latest"))
    write(END)
    return of(manifest)


def build_index(manifest: bytes, tag: str) -> bytes:
    """Pure: the table of contents that has this manifest under this tag."""
    entry: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": of(manifest), "size": len(manifest)}
    entry["annotations"] = {REF_NAME: tag}
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})


def _put(write: Write, name: str, data: bytes) -> None:
    write(entry_bytes(Entry(name, stored=len(data))) + data + padding(len(data)))


def _write_layer(write: Write, images: Images, layer: Layer, compression: str, level: int | None) -> Blob:
    """A layer's blob. Its name and size stand before it, so it is compressed aside first."""
    if compression == "uncompressed":
        with closing(images.layers.tar(layer)) as chunks:
            _entry(write, layer.diff, layer.tar_size, chunks)
        return Blob(layer.diff, layer.tar_size, _LAYER)
    ingest = images.content.ingest()
    try:
        compress = compressor(compression, level)
        with closing(images.layers.tar(layer)) as chunks:
            for piece in _gathered(chunks):
                ingest.write(compress(piece))
                write(b"")  # raises when nobody listens any more
        ingest.write(compress(b""))
        digest, size = ingest.digest(), ingest.offset
        with open(ingest.path, "rb", buffering=0) as file:
            _entry(write, digest, size, iter(lambda: file.read(_PIECE), b""))
    finally:
        ingest.cancel()
    return Blob(digest, size, _LAYER + _ENDS[compression])


def _entry(write: Write, digest: str, size: int, pieces: Iterable[bytes]) -> None:
    write(entry_bytes(Entry(blob_name(digest), stored=size)))
    for piece in pieces:
        write(piece)
    write(padding(size))


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are worth compressing.

    >>> [len(piece) for piece in _gathered(iter([b"a" * 200_000, b"b" * 200_000, b"c"]))]
    [400000, 1]
    """
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


__all__ = ["CONFIG", "LayoutCache", "read_cache", "write_cache"]

"""Save: images as one archive that Docker, podman, skopeo and any OCI tool reads (`docker save`).

An OCI image layout with Docker's manifest.json beside it, over the same blobs: layers uncompressed, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import NamedTuple

from corral.errors import NotFound
from corral.images.catalog import Catalog
from corral.images.digests import chain_ids, of
from corral.images.layers import Layer, Layers
from corral.images.manifests import blob_name, build_docker, build_index, build_manifest
from corral.images.references import as_id, parse
from corral.linux.tar.entry import Entry
from corral.linux.tar.writer import END, entry_bytes, padding
from corral.model.image import Image


def choose(catalog: Catalog, refs: Iterable[str]) -> dict[str, list[str]]:
    """Pure: image ids, and the full names to save each under. A repository without a tag means all its tags; an id
    means no name. NotFound as a dockerd says it, of a name with a tag otherwise than of one without."""
    chosen: dict[str, list[str]] = {}
    for ref in refs:
        for image_id, name in _meant(catalog, ref):
            names = chosen.setdefault(image_id, [])
            if name and name not in names:
                names.append(name)
    return chosen


def _meant(catalog: Catalog, ref: str) -> list[tuple[str, str]]:
    if as_id(ref):
        return [(catalog.find(ref).id, "")]
    found = parse(ref)
    whole = not (found.tag or found.digest)
    tags = catalog.repository(found.name) if whole else []
    if tags:
        return [(catalog.tags[tag].image, tag) for tag in tags]
    try:
        name = str(found.tagged())
        return [(catalog.find(ref).id, name if name in catalog.tags else "")]
    except NotFound:
        raise NotFound(f"No such image: {ref}{'' if whole else ': reference does not exist'}") from None


class Chosen(NamedTuple):
    """An image to save: its configuration's bytes, and the full names to save it under."""

    image: Image
    config: bytes
    names: list[str]

    @property
    def platform(self) -> str:
        return f"{self.image.os}/{self.image.architecture}" + (f"/{self.image.variant}" if self.image.variant else "")


def save(write: Callable[[bytes], None], chosen: Iterable[Chosen], layers: Layers) -> None:
    """Writes the archive. HostError if a layer is damaged on disk; then it is cut short. Blocking."""
    archive = _Archive(write, layers)
    docker, index = [], []
    for one in chosen:
        stack = [layers.stack(chain)[-1] for chain in chain_ids(one.image.diff_ids)]
        about = [(layer.diff, layer.tar_size) for layer in stack]
        manifest = build_manifest(one.config, about)
        for layer in stack:
            archive.layer(layer)
        archive.blob(one.config)
        archive.blob(manifest)
        docker.append((one.config, about, one.names))
        index.append((manifest, one.platform, one.names))
    archive.file("index.json", build_index(index))
    archive.file("manifest.json", build_docker(docker))
    archive.file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    write(END)


class _Archive:
    """Writes files, the blobs among them once."""

    def __init__(self, write: Callable[[bytes], None], layers: Layers) -> None:
        self._write, self._layers = write, layers
        self._written: set[str] = set()
        for name in ("blobs", "blobs/sha256"):
            write(entry_bytes(Entry(name, "dir", mode=0o755)))

    def file(self, name: str, data: bytes) -> None:
        self._write(entry_bytes(Entry(name, stored=len(data))) + data + padding(len(data)))

    def blob(self, data: bytes) -> None:
        digest = of(data)
        if digest not in self._written:
            self._written.add(digest)
            self.file(blob_name(digest), data)

    def layer(self, layer: Layer) -> None:
        if layer.diff in self._written:
            return
        self._written.add(layer.diff)
        self._write(entry_bytes(Entry(blob_name(layer.diff), stored=layer.tar_size)))
        with closing(self._layers.tar(layer)) as chunks:
            for chunk in chunks:
                self._write(chunk)
        self._write(padding(layer.tar_size))

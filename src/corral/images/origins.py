"""Origins: what is remembered of registries: under which digests a layer is known, where, and an image's manifest.

A push needs it: a layer that a repository has is not sent again, one that another repository of the same registry has
is mounted from there, and an image that was pulled can be pushed as it came. Small records; no I/O here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec
from msgspec.structs import replace

from corral.images.records import Change
from corral.model.container import Struct

_DIGESTS, _REPOSITORIES = 8, 8  # the latest that are remembered, of a layer and of a digest
BLOBS, MANIFEST = "blobs", "manifest"


class Known(Struct):
    """A layer as a blob; `repositories` ("localhost:5000/app") have it, the latest first."""

    digest: str
    size: int
    media_type: str
    repositories: list[str] = []


class Kept(Struct):
    """The manifest that an image came with, whose bytes are in the content store."""

    digest: str
    media_type: str


class Origins:
    """All that is remembered, by diff id and by image id. The methods give the records to write; then `apply` them."""

    def __init__(self) -> None:
        self._blobs: dict[str, list[Known]] = {}
        self._manifests: dict[str, Kept] = {}

    def read(self, kind: str, key: str, value: bytes) -> None:
        if kind == BLOBS:
            self._blobs[key] = msgspec.json.decode(value, type=list[Known])
        else:
            self._manifests[key] = msgspec.json.decode(value, type=Kept)

    def apply(self, changes: Iterable[Change]) -> None:
        """What was written becomes what is known; other kinds of records are passed over."""
        for change in changes:
            if change.kind in (BLOBS, MANIFEST):
                if change.value is not None:
                    self.read(change.kind, change.key, change.value)
                else:
                    (self._blobs if change.kind == BLOBS else self._manifests).pop(change.key, None)

    def blobs(self, diff_id: str) -> list[Known]:
        """A layer's blobs, the latest first."""
        return self._blobs.get(diff_id, [])

    def manifest(self, image_id: str) -> Kept | None:
        return self._manifests.get(image_id)

    def needed(self) -> list[str]:
        """The documents that are needed, for the content store."""
        return [kept.digest for kept in list(self._manifests.values())]

    def learn(self, diff_id: str, blob: Known) -> list[Change]:
        """A repository has this blob of a layer.

        >>> origins = Origins()
        >>> origins.apply(origins.learn("sha256:d", Known("sha256:b", 1, "", ["r/a"])))
        >>> origins.apply(origins.learn("sha256:d", Known("sha256:b", 1, "", ["r/b"])))
        >>> origins.blobs("sha256:d")[0].repositories, origins.learn("sha256:d", Known("sha256:b", 1, "", ["r/b"]))
        (['r/b', 'r/a'], [])
        """
        before = self.blobs(diff_id)
        old = next((known for known in before if known.digest == blob.digest), None)
        places = [*blob.repositories, *(r for r in (old.repositories if old else []) if r not in blob.repositories)]
        now = [replace(blob, repositories=places[:_REPOSITORIES]), *(k for k in before if k.digest != blob.digest)]
        now = now[:_DIGESTS]
        return [] if now == before else [Change(BLOBS, diff_id, msgspec.json.encode(now))]

    def unlearn(self, diff_id: str, gone: Collection[str], repository: str) -> list[Change]:
        """A repository has these blobs of a layer no more."""
        before = self.blobs(diff_id)
        now = [
            replace(k, repositories=[r for r in k.repositories if r != repository]) if k.digest in gone else k
            for k in before
        ]
        return [] if now == before else [Change(BLOBS, diff_id, msgspec.json.encode(now))]

    def keep(self, image_id: str, kept: Kept) -> list[Change]:
        return [] if self.manifest(image_id) == kept else [Change(MANIFEST, image_id, msgspec.json.encode(kept))]

    def forget(self, image_ids: Iterable[str] = (), diff_ids: Iterable[str] = ()) -> list[Change]:
        """With images and layers that are gone."""
        gone = [Change(MANIFEST, i, None) for i in image_ids if i in self._manifests]
        return gone + [Change(BLOBS, d, None) for d in diff_ids if d in self._blobs]

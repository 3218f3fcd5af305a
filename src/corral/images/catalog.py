"""Catalog: the images there are and what they are called, in memory. Finds what a reference means. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from corral.errors import InvalidInput, NotFound
from corral.images.references import as_id, is_id_prefix, parse
from corral.model.container import Struct
from corral.model.image import Image


class Name(Struct):
    """What a tag or a digest reference stands for."""

    image: str
    time: int = 0


class Catalog:
    """Images by id; tags and digests ("name@sha256:…") by their full text. The images carry their names."""

    def __init__(self) -> None:
        self.images: dict[str, Image] = {}
        self.tags: dict[str, Name] = {}
        self.digests: dict[str, Name] = {}

    def add(self, image: Image) -> None:
        self.images[image.id] = image
        self._name(image.id)

    def drop(self, image_id: str) -> None:
        self.images.pop(image_id, None)

    def set_name(self, ref: str, name: Name | None) -> None:
        """Gives a full reference to an image, or with None takes it away."""
        table = self.digests if "@" in ref else self.tags
        old = table.pop(ref, None)
        if name is not None:
            table[ref] = name
        for one in (old, name):
            if one is not None:
                self._name(one.image)

    def _name(self, image_id: str) -> None:
        image = self.images.get(image_id)
        if image is not None:
            tags = [(n.time, ref) for ref, n in self.tags.items() if n.image == image_id]
            self.images[image_id] = replace(
                image,
                tags=sorted(ref for _, ref in tags),
                digests=sorted(ref for ref, n in self.digests.items() if n.image == image_id),
                tagged_at=max((time for time, _ in tags), default=0),
            )

    def children(self, image_id: str) -> list[str]:
        """The images made on top of this one here."""
        return [image.id for image in self.images.values() if image.parent == image_id]

    def find(self, text: str) -> Image:
        """The image that a reference, an id or the start of an id names.

        Names win over ids. NotFound as Docker says it; InvalidInput for what is no reference, or short for several.
        """
        full = as_id(text)
        if full:
            if full in self.images:
                return self.images[full]
            raise NotFound(f"No such image: {text if text.startswith('sha256:') else full}")
        ref = parse(text).tagged()
        name = self.digests.get(f"{ref.name}@{ref.digest}") if ref.digest else self.tags.get(str(ref))
        if name is not None:
            return self.images[name.image]
        found = [i for i in self.images if is_id_prefix(i, text)]
        if len(found) > 1:
            raise InvalidInput(f"multiple IDs found with provided prefix: {text}")
        if not found:
            raise NotFound(f"No such image: {ref.familiar}")
        return self.images[found[0]]

    def repository(self, name: str) -> list[str]:
        """The tags of one repository ("docker.io/library/busybox"), in full, sorted."""
        return sorted(ref for ref in self.tags if ref.rpartition(":")[0] == name)

    def newest_first(self) -> list[Image]:
        return sorted(self.images.values(), key=lambda image: image.created, reverse=True)


def familiar(refs: Iterable[str]) -> list[str]:
    """Full references as people write them.

    >>> familiar(["docker.io/library/busybox:1"])
    ['busybox:1']
    """
    return [parse(ref).familiar for ref in refs]

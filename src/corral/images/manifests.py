"""Manifests: the tables of contents of image archives, Docker's and OCI's, read and written. Pure.

::

    manifest.json   [{"Config": FILE, "RepoTags": [REF…], "Layers": [FILE…]}]               docker save, podman, skopeo
    index.json      {"manifests": [DESCRIPTOR…]} -> a manifest -> config, layers             an OCI image layout

Since Docker 25 an archive has both, over the same blobs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from corral.errors import InvalidInput, NotFound
from corral.images import digests
from corral.images.platforms import Platform, best, host_level, split_platform
from corral.images.references import check_digest, parse
from corral.model.container import Struct

T = TypeVar("T")
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
_INDEXES = (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_FULL_NAME, _REF_NAME = "io.containerd.image.name", "org.opencontainers.image.ref.name"
_DEPTH = 4  # indexes inside indexes


class Item(Struct):
    """One image of an archive: the files of its configuration and of its layers, from the bottom; its full names.

    Names of files that are digests ("blobs/sha256/…") are promises about their content.
    """

    config: str
    layers: list[str]
    tags: list[str] = []


class _Docker(msgspec.Struct):
    Config: str
    RepoTags: list[str] | None = None
    Layers: list[str] | None = None


class _Platform(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(msgspec.Struct):
    """A reference to a blob."""

    digest: str
    size: int
    mediaType: str = ""
    annotations: dict[str, str] | None = None
    platform: _Platform | None = None


class _Index(msgspec.Struct):
    manifests: list[Descriptor]


class _Manifest(msgspec.Struct):
    config: Descriptor
    layers: list[Descriptor]


def _decode(data: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"invalid archive: failed to decode {name}: {error}") from error


def parse_docker(data: bytes) -> list[Item]:
    """The images of a manifest.json. InvalidInput if it is damaged or a tag is none.

    >>> parse_docker(b'[{"Config":"c.json","RepoTags":["app:1"],"Layers":["l/layer.tar"]}]')[0].tags
    ['docker.io/library/app:1']
    """
    found = _decode(data, list[_Docker] | None, "manifest.json")  # type: ignore[arg-type]
    if found is None:
        raise InvalidInput("invalid manifest, manifest cannot be null (but can be [])")
    return [Item(i.Config, i.Layers or [], [_tag(t) for t in i.RepoTags or []]) for i in found]


def _tag(text: str) -> str:
    ref = parse(text)
    if not ref.tag:
        raise InvalidInput(f'invalid tag "{text}"')
    return str(ref)


def parse_layout(read: Callable[[str], bytes], wanted: str) -> list[Item]:
    """The images of an OCI layout. `read` gives a file of the archive (NotFound if missing); `wanted` is a platform.

    Of an index only the best image for the platform is taken; build attestations are left out.
    """
    index = _decode(read("index.json"), _Index, "index.json")
    items: dict[str, Item] = {}
    for descriptor in index.manifests:
        if not _is_image(descriptor):
            continue
        chosen = _choose(read, descriptor, wanted, _DEPTH)
        manifest = _decode(_blob(read, chosen), _Manifest, f"manifest {chosen.digest}")
        item = Item(blob_name(manifest.config.digest), [blob_name(layer.digest) for layer in manifest.layers])
        item = items.setdefault(chosen.digest, item)
        item.tags += [tag for tag in _names(descriptor) if tag not in item.tags]
    return list(items.values())


def _blob(read: Callable[[str], bytes], descriptor: Descriptor) -> bytes:
    data = read(blob_name(descriptor.digest))
    if descriptor.digest.startswith("sha256:") and digests.of(data) != descriptor.digest:
        raise InvalidInput(f"invalid archive: {blob_name(descriptor.digest)} has the digest {digests.of(data)}")
    return data


def _is_image(descriptor: Descriptor) -> bool:
    kind = (descriptor.annotations or {}).get("vnd.docker.reference.type")
    return kind is None and (descriptor.platform is None or descriptor.platform.os != "unknown")


def _choose(read: Callable[[str], bytes], descriptor: Descriptor, wanted: str, depth: int) -> Descriptor:
    """The manifest that a descriptor means, through indexes."""
    if descriptor.mediaType not in _INDEXES:
        return descriptor
    if depth == 0:
        raise InvalidInput("invalid archive: too many indexes inside each other")
    inner = _decode(_blob(read, descriptor), _Index, f"index {descriptor.digest}").manifests
    found = best([d for d in inner if _is_image(d)], _platform, split_platform(wanted), host_level())
    if found is None:
        raise NotFound(f"image index {descriptor.digest} was found but it has no image for the platform {wanted}")
    return _choose(read, found, wanted, depth - 1)


def _platform(descriptor: Descriptor) -> Platform | None:
    found = descriptor.platform
    return Platform(found.os, found.architecture, found.variant) if found else None


def _names(descriptor: Descriptor) -> list[str]:
    """The full names an annotation gives. A bare tag names nothing."""
    notes = descriptor.annotations or {}
    text = notes.get(_FULL_NAME) or notes.get(_REF_NAME, "")
    return [str(parse(text).tagged())] if ":" in text or "/" in text else []


def blob_name(digest: str) -> str:
    """Where an OCI layout keeps a blob.

    >>> blob_name("sha256:" + "0" * 64) == "blobs/sha256/" + "0" * 64
    True
    """
    algorithm, _, value = check_digest(digest).partition(":")
    return f"blobs/{algorithm}/{value}"


def promised_digest(name: str) -> str:
    """The digest that a file's name promises, "" if it promises none.

    >>> promised_digest("blobs/sha256/" + "0" * 64) == "sha256:" + "0" * 64, promised_digest("abc/layer.tar")
    (True, '')
    """
    parts = name.split("/")
    if len(parts) != 3 or parts[0] != "blobs":
        return ""
    try:
        return check_digest(f"{parts[1]}:{parts[2]}")
    except InvalidInput:
        return ""


# Writing.


def build_manifest(config: bytes, layers: Sequence[tuple[str, int]]) -> bytes:
    """An OCI manifest over uncompressed layers, given as (digest, size)."""
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor(OCI_CONFIG, digests.of(config), len(config)),
            "layers": [_descriptor(OCI_LAYER, digest, size) for digest, size in layers],
        }
    )


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": size}


def build_index(images: Sequence[tuple[bytes, str, Sequence[str]]]) -> bytes:
    """An index.json of (manifest, platform, full names): one descriptor for each name, or one without."""
    manifests = []
    for manifest, platform, names in images:
        system, architecture, variant = split_platform(platform)
        about = _descriptor(OCI_MANIFEST, digests.of(manifest), len(manifest))
        about["platform"] = {"architecture": architecture, "os": system, **({"variant": variant} if variant else {})}
        notes = [{"annotations": {_FULL_NAME: name, _REF_NAME: parse(name).tag}} for name in names]
        manifests += [about | note for note in notes or [{}]]
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def build_docker(images: Sequence[tuple[bytes, Sequence[tuple[str, int]], Sequence[str]]]) -> bytes:
    """A manifest.json of (configuration, layers, full names)."""
    return msgspec.json.encode(
        [
            {
                "Config": blob_name(digests.of(config)),
                "RepoTags": [parse(name).familiar for name in names] or None,
                "Layers": [blob_name(digest) for digest, _ in layers],
                "LayerSources": {digest: _descriptor(OCI_LAYER, digest, size) for digest, size in layers},
            }
            for config, layers, names in images
        ]
    )

"""Documents: manifests and indexes as registries give them, of OCI and Docker schema 2. Pure.

::

    index     {"manifests": [{"digest": …, "platform": …}, …]}
    manifest  {"config": {"digest": …}, "layers": [{"digest": …, "size": …, "mediaType": …}, …]}
"""

from __future__ import annotations

import msgspec

from corral.errors import InvalidInput, NotFound
from corral.images.platforms import Platform, best
from corral.images.references import check_digest
from corral.model.container import Struct

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SCHEMA1 = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)
ACCEPT = ", ".join([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, "*/*;q=0.1"])  # fmt: skip
LARGEST = 4 << 20  # bytes of a manifest, as the specification has it
_INDEXES, _MANIFESTS = (OCI_INDEX, DOCKER_LIST), (OCI_MANIFEST, DOCKER_MANIFEST)
_CONFIGS = ("", OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream", "text/html; charset=utf-8", "text/html")
_MOST_LAYERS, _MOST_MANIFESTS = 1000, 10_000
_KINDS = {
    "application/vnd.docker.plugin.v1+json": "plugin", "application/vnd.cncf.helm.config.v1+json": "helm chart",
}  # fmt: skip


class Blob(Struct):
    """A descriptor: what a manifest says of a blob."""

    digest: str
    size: int
    mediaType: str = ""
    urls: list[str] | None = None


class Manifest(Struct):
    """`data` is the document as it came, whose digest is `digest`."""

    digest: str
    media_type: str
    data: bytes
    config: Blob
    layers: list[Blob]


class Entry(Struct):
    """A line of an index."""

    digest: str
    size: int
    media_type: str
    platform: Platform | None


class Index(Struct):
    digest: str
    media_type: str
    data: bytes
    entries: list[Entry]


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Descriptor(msgspec.Struct):
    digest: str
    size: int
    mediaType: str = ""
    urls: list[str] | None = None
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None


class _Document(msgspec.Struct):
    schemaVersion: int = 0
    mediaType: str = ""
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None


def parse_document(data: bytes, content_type: str, digest: str, name: str) -> Manifest | Index:
    """A manifest or an index; `name` is for messages. InvalidInput for anything else, in Docker's words where it has
    some; the caller has compared the digest.

    >>> parse_document(b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX, "sha256:0", "a").entries
    []
    """
    try:
        found = msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the registry's manifest of {name} cannot be read: {error}") from None
    kind = found.mediaType or content_type.partition(";")[0].strip()
    if kind in SCHEMA1 or found.schemaVersion == 1:
        raise InvalidInput(_schema1(name))
    if found.mediaType and found.mediaType not in _INDEXES + _MANIFESTS:
        raise InvalidInput(f"unsupported manifest media type and no default available: {found.mediaType}")
    if found.manifests is not None and found.config is None and found.layers is None and kind not in _MANIFESTS:
        return Index(digest, kind if kind in _INDEXES else OCI_INDEX, data, _entries(found.manifests))
    if found.config is None or found.manifests is not None or kind in _INDEXES:
        raise InvalidInput(f"the registry's manifest of {name} is neither an image's nor an index")
    layers = found.layers or []
    if len(layers) > _MOST_LAYERS:
        raise InvalidInput(f"the manifest of {name} has {len(layers)} layers: {_MOST_LAYERS} are allowed")
    return Manifest(
        digest, kind if kind in _MANIFESTS else OCI_MANIFEST, data, _blob(found.config), [_blob(x) for x in layers]
    )


def _schema1(name: str) -> str:
    return (
        "[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 support is disabled "
        f"by default and will be removed in an upcoming release. Suggest the author of {name} to upgrade the image to "
        "the OCI Format or Docker Image manifest v2, schema 2. "
        "More information at https://docs.docker.com/go/deprecated-image-specs/"
    )


def _blob(found: _Descriptor) -> Blob:
    if found.size < 0:
        raise InvalidInput(f"a blob of {found.size} bytes is promised: {found.digest}")
    return Blob(check_digest(found.digest), found.size, found.mediaType, found.urls)


def _entries(found: list[_Descriptor]) -> list[Entry]:
    if len(found) > _MOST_MANIFESTS:
        raise InvalidInput(f"an index of {len(found)} manifests: {_MOST_MANIFESTS} are allowed")
    entries = []
    for one in found:
        if (one.annotations or {}).get("vnd.docker.reference.type"):
            continue  # what a build said of itself, no image
        told = one.platform
        platform = Platform(told.os, told.architecture, told.variant) if told else None
        if platform and platform.os == "unknown":
            continue
        entries.append(Entry(check_digest(one.digest), one.size, one.mediaType, platform))
    return entries


def choose_entry(index: Index, wanted: Platform, level: int) -> Entry:
    """The image of an index for a platform. NotFound in Docker's words.

    >>> one = Entry("sha256:0", 1, "", Platform("linux", "arm64", "v8"))
    >>> choose_entry(Index("", "", b"", [one]), Platform("linux", "arm64"), 1).digest
    'sha256:0'
    >>> choose_entry(Index("", "", b"", [one]), Platform("linux", "amd64"), 1)
    Traceback (most recent call last):
    corral.errors.NotFound: no matching manifest for linux/amd64 in the manifest list entries
    """
    found = best(index.entries, lambda entry: entry.platform, wanted, level)
    if found is None:
        raise NotFound(f"no matching manifest for {wanted.shown} in the manifest list entries")
    return found


def check_image(manifest: Manifest, name: str) -> None:
    """Is it a container image? InvalidInput, in Docker's words, for a chart, a plugin and the like."""
    kind = manifest.config.mediaType
    if kind not in _CONFIGS:
        raise InvalidInput(f'Encountered remote "{kind}"({_KINDS.get(kind, "unknown")}) when fetching {name}')
    for layer in manifest.layers:
        if layer.urls and "foreign" in layer.mediaType:
            raise InvalidInput(f"layer {layer.digest} of {name} is kept elsewhere, as Windows images do: not supported")

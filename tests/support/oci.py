"""Images in OCI's form, made by hand: an independent idea of what a registry is given."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor(data: bytes, media_type: str, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(data, algorithm), "size": len(data), **more}


class OciImage(NamedTuple):
    """A manifest and the blobs that it needs."""

    manifest: bytes
    blobs: list[bytes]

    @property
    def digest(self) -> str:
        return digest(self.manifest)


def image(layers: list[bytes], *, architecture: str = "amd64", algorithm: str = "sha256", **more: Any) -> OciImage:
    """One whose layers are these tars; `more` goes into the manifest."""
    packed = [gzip.compress(layer, 1, mtime=0) for layer in layers]
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG, algorithm),
        "layers": [descriptor(layer, LAYER, algorithm) for layer in packed],
        **more,
    }
    return OciImage(json.dumps(manifest).encode(), [config, *packed])


def artifact(subject: dict[str, Any] | None, kind: str = "application/vnd.example.sbom", **more: Any) -> OciImage:
    """One without layers, that says something of another."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": descriptor(b"{}", EMPTY),
        "layers": [descriptor(b"{}", EMPTY)],
        **({"subject": subject} if subject else {}),
        **more,
    }
    return OciImage(json.dumps(manifest).encode(), [b"{}"])


def index(*images: OciImage, **more: Any) -> bytes:
    """An index of images, each for another platform."""
    platforms = [{"os": "linux", "architecture": name} for name in ("amd64", "arm64", "s390x", "ppc64le")]
    manifests = [
        descriptor(one.manifest, MANIFEST, platform=platform) for one, platform in zip(images, platforms, strict=False)
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, **more}).encode()


def write_layout(folder: Path, tag: str, manifest: bytes, blobs: list[bytes], media_type: str = MANIFEST) -> str:
    """An OCI layout with one entry, as `skopeo copy oci:FOLDER:TAG` reads it; its name for that."""
    place = folder / "blobs" / "sha256"
    place.mkdir(parents=True)
    for data in (manifest, *blobs):
        (place / digest(data).partition(":")[2]).write_bytes(data)
    entry = descriptor(manifest, media_type, annotations={"org.opencontainers.image.ref.name": tag})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{folder}:{tag}"

"""Manifests: reading what is pushed, and what it refers to. Pure.

The bytes are kept exactly as they came; of what stands in them only this is looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from corral.registry.faults import Fault
from corral.registry.names import is_digest

LIMIT: Final = 4 << 20  # bytes of a manifest
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_ARTIFACT: Final = "application/vnd.oci.artifact.manifest.v1+json"  # of the drafts of OCI 1.1; still met
IMAGES: Final = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES: Final = (OCI_INDEX, DOCKER_LIST)
TYPES: Final = (*IMAGES, *INDEXES, OCI_ARTIFACT)
_BLOBS: Final = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.buildkit.cacheconfig.",
)
_VAGUE: Final = ("", "application/json", "application/octet-stream", "text/plain")
_SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`blobs` and `children` (manifests) must be in the repository; `foreign` blobs may be elsewhere."""

    media_type: str
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    subject: str = ""
    artifact_type: str = ""
    annotations: dict[str, str] = field(default_factory=dict)


def parse_manifest(data: bytes, content_type: str) -> Manifest:
    """MANIFEST_INVALID for what is no manifest, or of a kind that is not offered.

    >>> body = b'{"schemaVersion": 2, "manifests": [], "mediaType": "application/vnd.oci.image.index.v1+json"}'
    >>> parse_manifest(body, "application/vnd.oci.image.index.v1+json; charset=utf-8").children
    ()
    """
    root = _decode(data)
    media_type = _media_type(root, content_type.partition(";")[0].strip().lower())
    if media_type != OCI_ARTIFACT and root.get("schemaVersion") != 2:
        raise invalid(f"schemaVersion must be 2, not {json.dumps(root.get('schemaVersion'))[:20]}")
    subject = _descriptor(root["subject"], "subject")["digest"] if root.get("subject") is not None else ""
    annotations = _annotations(root)
    if media_type in INDEXES:
        entries = _descriptors(root, "manifests", must=True)
        children = tuple(one["digest"] for one in entries if not is_blob(one["mediaType"]))
        parts = tuple(dict.fromkeys(one["digest"] for one in entries if is_blob(one["mediaType"])))
        return Manifest(media_type, parts, children, (), subject, _text(root, "artifactType"), annotations)
    config, layers = _content(root, media_type)
    here = tuple(dict.fromkeys(one["digest"] for one in (*config, *layers) if not _is_foreign(one)))
    foreign = tuple(dict.fromkeys(one["digest"] for one in layers if _is_foreign(one)))
    artifact_type = _text(root, "artifactType") or (config[0]["mediaType"] if config else "")
    return Manifest(media_type, here, (), foreign, subject, artifact_type, annotations)


def is_blob(media_type: str) -> bool:
    """Whether an entry of an index is no manifest: an older BuildKit's cache is an index of layers, and of what they
    are for.

    >>> is_blob("application/vnd.buildkit.cacheconfig.v0"), is_blob("application/vnd.oci.image.layer.v1.tar+gzip")
    (True, True)
    >>> is_blob("application/vnd.oci.image.manifest.v1+json"), is_blob("application/vnd.example")
    (False, False)
    """
    return media_type.startswith(_BLOBS)


def invalid(why: str) -> Fault:
    return Fault("MANIFEST_INVALID", f"manifest invalid: {why}")


def _decode(data: bytes) -> dict[str, Any]:
    try:
        root = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise invalid(f"no JSON: {error}") from None
    if not isinstance(root, dict):
        raise invalid("not an object")
    return root


def _media_type(root: dict[str, Any], header: str) -> str:
    """The header's; without a meaningful one that of the content; without either what it looks like."""
    said = _text(root, "mediaType")
    if header in _VAGUE:
        header = said or _guess(root)
    if header.startswith(_SCHEMA1) or root.get("schemaVersion") == 1:
        raise Fault(
            "MANIFEST_INVALID", "manifest invalid: Docker's schema 1 is not offered: push with a current client"
        )
    if header not in TYPES:
        raise invalid(f"media type {header!r} is not offered; offered are {', '.join(TYPES)}")
    if said and said != header:
        raise invalid(f"mediaType {said!r} differs from the Content-Type {header!r}")
    return header


def _guess(root: dict[str, Any]) -> str:
    return OCI_INDEX if "manifests" in root else OCI_MANIFEST


def _content(root: dict[str, Any], media_type: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(the configuration, if there is one; the layers)."""
    if "manifests" in root:
        raise invalid("an image manifest has no field `manifests`")
    if media_type == OCI_ARTIFACT:
        return [], _descriptors(root, "blobs")
    return [_descriptor(root.get("config"), "config")], _descriptors(root, "layers")


def _descriptors(root: dict[str, Any], key: str, *, must: bool = False) -> list[dict[str, Any]]:
    found = root.get(key)
    if found is None and not must:
        return []
    if not isinstance(found, list):
        raise invalid(f"{key} must be a list")
    return [_descriptor(one, f"{key}[{n}]") for n, one in enumerate(found)]


def _descriptor(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise invalid(f"{where} must be a descriptor")
    size = found.get("size")
    if not isinstance(found.get("mediaType"), str):
        raise invalid(f"{where} has no mediaType")
    if not isinstance(found.get("digest"), str) or not is_digest(found["digest"]):
        raise invalid(f"{where} has no valid digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise invalid(f"{where} has no valid size")
    return found


def _is_foreign(descriptor: dict[str, Any]) -> bool:
    """Whether it need not be here: a layer that may not be distributed, with an address where it can be had."""
    media_type = descriptor["mediaType"]
    return bool(descriptor.get("urls")) or ".foreign." in media_type or ".nondistributable." in media_type


def _text(root: dict[str, Any], key: str) -> str:
    found = root.get(key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise invalid(f"{key} must be a text")
    return found


def _annotations(root: dict[str, Any]) -> dict[str, str]:
    found = root.get("annotations")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise invalid("annotations must be texts")
    return found

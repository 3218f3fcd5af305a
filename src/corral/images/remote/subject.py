"""Subject: a manifest that says something of another one is made known under a tag, where the registry keeps no list of
referrers itself (distribution-spec 1.1, "Referrers Tag Schema"). Pure but for the last two.

::

    subject sha256:0a1b…   ->  tag sha256-0a1b…, an index of all that refer to it
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from corral.errors import InvalidInput
from corral.images.digests import of
from corral.images.remote.documents import OCI_INDEX
from corral.images.remote.refusal import Refusal
from corral.images.remote.repository import Repository


class _Descriptor(msgspec.Struct):
    mediaType: str = ""
    digest: str = ""


class _Document(msgspec.Struct):
    mediaType: str = ""
    artifactType: str = ""
    subject: _Descriptor | None = None
    config: _Descriptor | None = None
    annotations: dict[str, str] | None = None


def subject_of(manifest: bytes) -> str:
    """The digest of what a manifest is about, "" if it stands for itself.

    >>> subject_of(b'{"subject": {"digest": "sha256:0a"}}'), subject_of(b"{}")
    ('sha256:0a', '')
    """
    found = msgspec.json.decode(manifest, type=_Document).subject
    return found.digest if found else ""


def referrers_tag(digest: str) -> str:
    """
    >>> referrers_tag("sha256:0a1b"), len(referrers_tag("sha512:" + "0" * 128))
    ('sha256-0a1b', 71)
    """
    algorithm, _, encoded = digest.partition(":")
    return re.sub(r"[^a-zA-Z0-9._-]", "-", f"{algorithm[:32]}-{encoded[:64]}")


def describe(manifest: bytes, media_type: str) -> dict[str, Any]:
    """A manifest as a list of referrers has it.

    >>> describe(b'{"config": {"mediaType": "application/x"}}', "m")["artifactType"]
    'application/x'
    """
    found = msgspec.json.decode(manifest, type=_Document)
    told: dict[str, Any] = {"mediaType": media_type, "size": len(manifest), "digest": of(manifest)}
    if kind := found.artifactType or (found.config.mediaType if found.config else ""):
        told["artifactType"] = kind
    if found.annotations:
        told["annotations"] = found.annotations
    return told


def plan_index(known: bytes | None, descriptor: dict[str, Any]) -> bytes | None:
    """The list with one more entry; None if it has it already. InvalidInput if what is known is no list.

    >>> plan_index(plan_index(None, {"digest": "a"}), {"digest": "a"}) is None
    True
    >>> plan_index(b'{"layers": []}', {"digest": "a"})
    Traceback (most recent call last):
    corral.errors.InvalidInput: the tag of the referrers means something else: no index
    """
    index: Any = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []} if known is None else _decode(known)
    if any(one.get("digest") == descriptor["digest"] for one in index["manifests"]):
        return None
    return msgspec.json.encode(index | {"manifests": [*index["manifests"], descriptor]})


def _decode(known: bytes) -> Any:
    try:
        found = msgspec.json.decode(known, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        found = {}
    entries = found.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise InvalidInput("the tag of the referrers means something else: no index")
    return found


def put_manifest(repository: Repository, reference: str, media_type: str, data: bytes) -> str:
    """Pushes a manifest, and sees to it that it is found by its subject, if it has one; its digest. Blocking."""
    digest, listed = repository.put_manifest(reference, media_type, data)
    subject = subject_of(data)
    if subject and not listed:
        make_known(repository, subject, data, media_type)
    return digest


def make_known(repository: Repository, subject: str, manifest: bytes, media_type: str) -> None:
    """Adds a manifest, which the registry has, to the list under its subject's tag. Blocking."""
    tag = referrers_tag(subject)
    try:
        known: bytes | None = repository.manifest(tag).data
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        known = None
    index = plan_index(known, describe(manifest, media_type))
    if index is not None:
        repository.put_manifest(tag, OCI_INDEX, index)

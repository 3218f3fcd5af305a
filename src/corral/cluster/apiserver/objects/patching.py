"""Patches of four kinds, as changes for the loop of `updating`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from corral.cluster.apiserver.encoding.bodies import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
)
from corral.cluster.apiserver.objects.metadata import check_shape
from corral.cluster.apiserver.registry import Served
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.schema import Schema
from corral.model.kubernetes.status import StatusError, bad_request, unsupported_media_type


class Patches(Protocol):
    """The three patches that name no owner; each gives a new object. Raise StatusError."""

    def json(self, obj: Object, operations: Any) -> Object: ...

    def merge(self, obj: Object, patch: Any) -> Object: ...

    def strategic(self, obj: Object, patch: Any, schema: Schema) -> Object: ...


@dataclass(frozen=True, slots=True)
class Patch:
    """`media` is its content type, `body` what it says."""

    media: str
    body: Any

    @property
    def is_apply(self) -> bool:
        return self.media == APPLY_PATCH


def check_media(media: str, *, custom: bool) -> None:
    """Raises 415 for a type that is not offered; a custom resource has no strategic merge."""
    offered = [JSON_PATCH, MERGE_PATCH, *([] if custom else [STRATEGIC_PATCH]), APPLY_PATCH]
    if media not in offered:
        raise unknown_patch(offered)


def unknown_patch(offered: list[str]) -> StatusError:
    listed = ", ".join(offered)
    text = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return unsupported_media_type(text)


def apply_patch(patches: Patches, patch: Patch, live: Object, schema: Schema | None) -> Object:
    """Pure: the patched object; what it is may not change. Of the three types that are no server-side apply."""
    if patch.media == JSON_PATCH:
        found = patches.json(live, patch.body)
    elif patch.media == MERGE_PATCH or schema is None:
        found = patches.merge(live, patch.body)
    else:
        found = patches.strategic(live, patch.body, schema)
    if not isinstance(found, dict):
        raise bad_request("the patch does not leave an object")
    return found


def check_patched(served: Served, patched: Object, api_version: str, kind: str) -> Object:
    """The kind cannot be patched; metadata must still be metadata."""
    if patched.get("apiVersion") != api_version or patched.get("kind") != kind:
        shown = f"{patched.get('apiVersion', '')}, Kind={patched.get('kind', '')}"
        raise bad_request(f"the patch may not change what the object is ({api_version}, Kind={kind}): {shown}")
    check_shape(patched, kind)
    return patched

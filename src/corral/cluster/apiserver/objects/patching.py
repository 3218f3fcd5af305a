"""Patches that name no owner, as changes for the loop of `updating`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from corral.cluster.apiserver.patch import json_patch, merge_patch, strategic
from corral.cluster.apiserver.patch.content_types import JSON_PATCH, MERGE_PATCH
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import Schema
from corral.model.kubernetes.status import bad_request


@dataclass(frozen=True, slots=True)
class Patch:
    """`media` is its content type, `body` what it says."""

    media: str
    body: Any


def apply_patch(patch: Patch, live: Object, schema: Schema | None) -> Object:
    """Pure: the patched object. Raises StatusError.

    >>> apply_patch(Patch(MERGE_PATCH, {"a": None, "b": 1}), {"a": 1}, None)
    {'b': 1}
    """
    if patch.media == JSON_PATCH:
        found = json_patch.apply(live, patch.body)
    elif patch.media == MERGE_PATCH:
        found = merge_patch.apply(live, patch.body)
    else:
        found = strategic.apply(live, patch.body, schema)
    if not isinstance(found, dict):
        raise bad_request("the patch does not leave an object")
    return found


def check_identity(patched: Object, gvk: GroupVersionKind) -> None:
    """Raises 400: what an object is cannot be patched."""
    if (patched.get("apiVersion"), patched.get("kind")) != (gvk.api_version, gvk.kind):
        found = f"{patched.get('apiVersion', '')}, Kind={patched.get('kind', '')}"
        raise bad_request(f"the patch may not change what the object is ({gvk.api_version}, Kind={gvk.kind}): {found}")

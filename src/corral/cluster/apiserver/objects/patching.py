"""Patches that name no owner, as changes for the loop of `updating`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from msgspec import json

from corral.cluster.apiserver.patch import json_patch, merge_patch, strategic, values
from corral.cluster.apiserver.patch.content_types import JSON_PATCH, MERGE_PATCH
from corral.model.kubernetes import problems
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import Schema
from corral.model.kubernetes.status import StatusError, bad_request, invalid

_FIELDS: Final = ("op", "path", "from", "value")


@dataclass(frozen=True, slots=True)
class Patch:
    """`media` is its content type, `body` what it says; `duplicates` as in `Document`."""

    media: str
    body: Any
    duplicates: tuple[str, ...] = ()

    @property
    def complaints(self) -> tuple[str, ...]:
        """What strict validation has to say of the patch itself, whatever it is applied to.

        >>> Patch(JSON_PATCH, [{"op": "test", "path": "", "val": 1}]).complaints
        ('json patch unknown field "[0].val"',)
        """
        if self.media != JSON_PATCH:
            return self.duplicates
        steps = enumerate(self.body if isinstance(self.body, list) else ())
        unknown = [
            f'unknown field "[{index}].{key}"'
            for index, one in steps
            if isinstance(one, dict)
            for key in one
            if key not in _FIELDS
        ]
        return tuple(f"json patch {one}" for one in (*self.duplicates, *unknown))

    def refusal(self, patched: Object, cause: str, of_map: str) -> StatusError:
        """422: it fits, and what it leaves is no object of the kind. As upstream, where a strategic merge patch works
        on maps, and the others on text.
        """
        strategic = self.media not in (JSON_PATCH, MERGE_PATCH)
        shown = values.shown(self.body) if strategic else json.encode(dict(sorted(patched.items()))).decode()
        return invalid("", "", [problems.invalid("patch", shown, of_map if strategic else cause)])


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

"""The annotation in which `kubectl apply` keeps what it applied last, without `--server-side`.

Follows k8s.io/apimachinery/pkg/util/managedfields/internal/lastapplied*.go. Only the manager "kubectl" is treated so.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from corral.cluster.apiserver.apply import fieldset
from corral.cluster.apiserver.apply.comparing import compare
from corral.cluster.apiserver.apply.fieldset import FieldSet
from corral.cluster.apiserver.apply.plan import Plan
from corral.cluster.apiserver.apply.typed import check, field_set
from corral.cluster.apiserver.apply.typed_errors import TypedError

Object = dict[str, Any]

MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
_MOST_BYTES = 256 * 1024  # of all annotations together


def of_object(obj: Object) -> str:
    annotations = (obj.get("metadata") or {}).get("annotations")
    found = annotations.get(ANNOTATION) if isinstance(annotations, dict) else ""
    return found if isinstance(found, str) else ""


def allowed(live: Object, api_version: str, plan: Plan) -> FieldSet:
    """Pure: the fields that kubectl may take without force, since it had set them: those that still are as it said."""
    try:
        last = msgspec.json.decode(of_object(live))
        if not isinstance(last, dict) or last.get("apiVersion") != api_version or check(last, plan):
            return fieldset.EMPTY
        found = field_set(last, plan)
        for changed in compare(last, live, plan):
            found = fieldset.difference(found, changed)
    except (msgspec.DecodeError, TypedError):
        return fieldset.EMPTY
    return found


def updated(obj: Object, applied: Object) -> Object:
    """Pure: the object, whose annotation (if it has one) says what has been applied now."""
    if not of_object(obj):
        return obj
    metadata = obj["metadata"]
    annotations = {**metadata["annotations"], ANNOTATION: _text(applied)}
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items()) > _MOST_BYTES:
        del annotations[ANNOTATION]
    return {**obj, "metadata": {**metadata, "annotations": annotations}}


def _text(applied: Object) -> str:
    """As Go encodes it: keys in order, a line's end, nothing that means something in HTML."""
    metadata = dict(applied.get("metadata") or {})
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != ANNOTATION}
    found = {**applied, "metadata": metadata} if "metadata" in applied else applied
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text + "\n"

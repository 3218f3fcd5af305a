"""A request's body, in whichever of the three formats it came: JSON, YAML or protobuf."""

from __future__ import annotations

from corral.model.kubernetes import protobuf, status
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema.document import Document, decode_json
from corral.model.kubernetes.schema.field_validation import unrecognized
from corral.model.kubernetes.schema.yaml_document import decode_yaml

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
ACCEPTED = (JSON, YAML, PROTOBUF)


def decode_body(data: bytes, media_type: str, wanted: GroupVersionKind) -> Document:
    """Pure: the object that a client sent where an object of the kind `wanted` is expected; it may be another.

    `media_type` as in Content-Type, parameters and all; empty is JSON. The object has a `kind` and an `apiVersion`,
    those of `wanted` if it named none. Raises StatusError: 415 for another format, 400 for what cannot be read.

    >>> decode_body(b"kind: Pod", "application/yaml", GroupVersionKind("", "v1", "Pod")).object
    {'kind': 'Pod', 'apiVersion': 'v1'}
    """
    kind = (media_type or JSON).partition(";")[0].strip().lower()
    if kind not in ACCEPTED:
        raise status.unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(ACCEPTED)
        )
    if kind == PROTOBUF:
        return Document(protobuf.decode(data, wanted))
    try:
        found = decode_yaml(data) if kind == YAML else decode_json(data)
    except status.StatusError as error:
        raise unrecognized(wanted.kind, f"couldn't get version/kind; {error.message}", data) from None
    return Document(_with_kind(found.object, wanted, data), found.duplicates)


def _with_kind(obj: object, wanted: GroupVersionKind, data: bytes) -> dict[str, object]:
    if not isinstance(obj, dict):
        cause = "couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type struct"
        raise unrecognized(wanted.kind, cause, data)
    for key in ("kind", "apiVersion"):
        if not isinstance(obj.get(key, ""), str | None):
            cause = f"couldn't get version/kind; json parse error: json: cannot unmarshal {key} into a string"
            raise unrecognized(wanted.kind, cause, data)
    named = {"kind": obj.get("kind") or wanted.kind, "apiVersion": obj.get("apiVersion") or wanted.api_version}
    return {**obj, **named}

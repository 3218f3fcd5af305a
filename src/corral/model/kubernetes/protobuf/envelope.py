"""The envelope of protobuf bodies: a magic number, the object's kind, and the object (runtime.Unknown)."""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes import status
from corral.model.kubernetes.protobuf import wire
from corral.model.kubernetes.protobuf.messages import read_message
from corral.model.kubernetes.protobuf.wire import WireError
from corral.model.kubernetes.resources import GroupVersionKind, split_api_version
from corral.model.kubernetes.schema.check import conform
from corral.model.kubernetes.schema.document import check_depth, decode_json
from corral.model.kubernetes.schema.stable import builtin

MAGIC = b"k8s\0"


def decode(data: bytes, wanted: GroupVersionKind | None = None) -> Any:
    """Pure: the object in a body. `wanted` is its kind if the envelope names none, as with Go's decoder.

    Raises StatusError 400: for what is no envelope, for a kind that has no protobuf, for anything broken.
    """
    if not data.startswith(MAGIC):
        raise status.bad_request("provided data does not appear to be a protobuf message, expected prefix 6b 38 73 00")
    try:
        return _decode(data[len(MAGIC) :], wanted)
    except WireError as error:
        raise status.bad_request(str(error)) from None


def _decode(data: bytes, wanted: GroupVersionKind | None) -> Any:
    api_version, kind, raw, content_type = _opened(data)
    if content_type in ("application/json", "application/json; charset=utf-8"):
        return decode_json(raw).object
    gvk = _named(api_version, kind, wanted)
    name = builtin().type_name(gvk)
    if name is None:
        raise status.bad_request(f'no kind "{gvk.kind}" is registered for version "{gvk.api_version}" in protobuf')
    obj = {"apiVersion": gvk.api_version, "kind": gvk.kind, **read_message(raw, name)}
    check_depth(obj)
    checked = conform(obj, builtin().type(name))
    if checked.mistyped:
        raise status.bad_request(checked.mistyped)
    return checked.object


def _opened(data: bytes) -> tuple[str, str, bytes, str]:
    """(apiVersion, kind, the object's bytes, their content type)."""
    found: dict[str, bytes] = {"version": b"", "kind": b"", "raw": b"", "encoding": b"", "type": b""}
    for item in wire.items(data):
        if not isinstance(item.value, bytes):
            continue
        if item.number == 1:
            found |= {_META[one.number]: one.value for one in wire.items(item.value) if _is_meta(one)}  # type: ignore[misc]
        elif item.number in _ENVELOPE:
            found[_ENVELOPE[item.number]] = item.value
    if found["encoding"]:
        raise status.bad_request("unable to decode protobuf data with a content encoding")
    texts = [found[key].decode("utf-8", "replace") for key in ("version", "kind", "type")]
    return texts[0], texts[1], found["raw"], texts[2]


_META = {1: "version", 2: "kind"}
_ENVELOPE = {2: "raw", 3: "encoding", 4: "type"}


def _is_meta(item: wire.Item) -> bool:
    return item.number in _META and isinstance(item.value, bytes)


def _named(api_version: str, kind: str, wanted: GroupVersionKind | None) -> GroupVersionKind:
    """The kind that a body has: what it says, completed by what is wanted."""
    if wanted is not None:
        kind, api_version = kind or wanted.kind, api_version or wanted.api_version
    if not kind:
        raise status.bad_request("Object 'Kind' is missing in protobuf message")
    group, version = split_api_version(api_version)
    if not version:
        raise status.bad_request("Object 'apiVersion' is missing in protobuf message")
    return GroupVersionKind(group, version, kind)

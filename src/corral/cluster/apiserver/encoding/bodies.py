"""What a client sends: JSON, YAML or protobuf, as a plain object of the kind that its path is about."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from corral.cluster.apiserver.encoding.accept import JSON, PROTOBUF, YAML
from corral.http.message import BodyTooLarge, Request
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import StatusError, bad_request, too_large, unsupported_media_type

LIMIT: Final = 3 * 1024 * 1024  # bytes, as upstream
JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"


async def read(request: Request) -> bytes:
    """The whole body. 413."""
    try:
        return await request.body(LIMIT)
    except BodyTooLarge as error:
        raise too_large(f"Request entity too large: limit is {error.limit}") from None


def media_type(request: Request) -> str:
    """Pure: the body's, without parameters; "" if it does not say."""
    return request.header("content-type").partition(";")[0].strip().lower()


def decode(data: bytes, media: str) -> tuple[Any, list[str]]:
    """Pure: what a body says, and the warnings about keys that came twice in it. 400, 415."""
    if media in ("", JSON):
        return decode_json(data)
    if media in (YAML, "application/x-yaml", "text/yaml"):
        from corral.cluster.apiserver.encoding.yaml_text import decode as from_yaml

        found, duplicates = from_yaml(data)
        return found, [f'key "{one}" already set in map' for one in duplicates]
    if media == PROTOBUF:
        return _protobuf(data), []
    supported = f"{JSON}, {YAML}, {PROTOBUF}"
    text = f"the body of the request was in an unknown format - accepted media types include: {supported}"
    raise unsupported_media_type(text)


def decode_json(data: bytes) -> tuple[Any, list[str]]:
    """Pure."""
    try:
        return msgspec.json.decode(data), []
    except msgspec.MsgspecError as error:
        raise bad_request(f"invalid character or truncated JSON: {error}") from None


def _protobuf(data: bytes) -> Object:
    raise unsupported_media_type("protobuf")


def as_object(value: Any, expected: str) -> Object:
    """A fresh JSON object, whose kind is not looked at. 400 for what is none."""
    if not isinstance(value, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: json: cannot unmarshal into {expected}")
    return value


def check_kind(obj: Object, api_version: str, kind: str) -> None:
    """Fills in kind and apiVersion, or raises 400 when they are others than the path is about."""
    found_version, found_kind = obj.get("apiVersion"), obj.get("kind")
    for value in (found_version, found_kind):
        if value is not None and not isinstance(value, str):
            raise bad_request("couldn't get version/kind; json parse error: apiVersion and kind must be strings")
    if found_version and found_version != api_version:
        text = f"the API version in the data ({found_version}) does not match the expected API version ({api_version})"
        raise bad_request(text)
    if found_kind and found_kind != kind:
        group_version = found_version or api_version
        raise wrong_kind(found_kind, group_version, kind)
    obj["apiVersion"], obj["kind"] = api_version, kind


def wrong_kind(found: str, api_version: str, expected: str) -> StatusError:
    version = api_version.rpartition("/")[2]
    text = f'{found} in version "{version}" cannot be handled as a {expected}: '
    return bad_request(f"{text}converting ({api_version}.{found}) to ({api_version}.{expected}): unknown conversion")

"""What a client sends: read whole, and made an object of the kind that its path is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from corral.http.message import BodyTooLarge, Request
from corral.model.kubernetes.body import decode_body
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.resources import GroupVersionKind, split_api_version
from corral.model.kubernetes.schema import Schema
from corral.model.kubernetes.schema.check import Checked, conform
from corral.model.kubernetes.schema.field_validation import cannot_be_handled, plan_warnings, unrecognized
from corral.model.kubernetes.status import StatusError, bad_request, too_large

LIMIT: Final = 3 * 1024 * 1024  # bytes, as upstream
Warn = Callable[[str], None]
Refuse = Callable[[str, str], StatusError]
"""Why an object is refused, as a decoder says it and as whoever makes an object of a map does, to the refusal."""


class Expected(NamedTuple):
    """What a body must be. `schema` None: anything is taken as it is (a custom resource without one)."""

    gvk: GroupVersionKind
    schema: Schema | None


async def read(request: Request) -> bytes:
    """The whole body. 413."""
    try:
        return await request.body(LIMIT)
    except BodyTooLarge as error:
        raise too_large(f"Request entity too large: limit is {error.limit}") from None


def decode(data: bytes, media: str, expected: Expected, validation: str, warn: Warn) -> Object:
    """The object that was sent, tidied, with metadata. Unknown fields are refused or warned of, as `validation` says.

    Raises StatusError: 400, 415.
    """
    gvk = expected.gvk
    if not data:
        raise unrecognized(gvk.kind, "couldn't get version/kind; json parse error: unexpected end of JSON input", data)
    document = decode_body(data, media, gvk)
    check_kind(document.object, gvk)
    return tidy(document.object, expected, validation, warn, document.duplicates)


def tidy(
    obj: Object,
    expected: Expected,
    validation: str,
    warn: Warn,
    duplicates: tuple[str, ...] = (),
    refuse: Refuse | None = None,
) -> Object:
    """An object as its schema has it: a copy. The same refusals and warnings; `refuse` makes others of the refusals."""
    checked = conform(obj, expected.schema) if expected.schema is not None else Checked(dict(obj), ())
    refuse = refuse or (lambda cause, of_map: cannot_be_handled(expected.gvk, expected.gvk.kind, cause))
    if checked.mistyped:
        raise refuse(checked.mistyped, checked.unrestored)
    warnings, refusal = plan_warnings(validation, (*duplicates, *checked.unknown))
    if refusal:
        raise refuse(refusal, refusal)
    for text in warnings:
        warn(text)
    found: dict[str, Any] = checked.object
    if not isinstance(found.get("metadata"), dict):
        found["metadata"] = {}
    found["apiVersion"], found["kind"] = expected.gvk.api_version, expected.gvk.kind
    return found


def check_kind(obj: Object, wanted: GroupVersionKind) -> None:
    """Raises 400 when an object is of another kind than the path is about."""
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    if api_version != wanted.api_version:
        text = f"the API version in the data ({api_version}) does not match the expected API version "
        raise bad_request(f"{text}({wanted.api_version})")
    if kind != wanted.kind:
        group, version = split_api_version(api_version)
        found = GroupVersionKind(group, version, kind)
        raise cannot_be_handled(found, wanted.kind, f"no kind {kind!r} is expected here".replace("'", '"'))

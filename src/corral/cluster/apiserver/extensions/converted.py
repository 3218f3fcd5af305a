"""What a conversion webhook answers: the objects, or why there are none. Pure.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go.
"""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes.kinds.fields import part, text
from corral.model.kubernetes.schema.document import decode_json
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]


def failed(obj: Object, what: str) -> StatusError:
    """The error about an object as it was sent. It has no reason, as upstream's: kubectl shows none.

    >>> failed({"apiVersion": "example.com/v1", "kind": "Cow"}, "failed: no cows").message
    'conversion webhook for example.com/v1, Kind=Cow failed: no cows'
    """
    shown = f"{text(obj, 'apiVersion')}, Kind={text(obj, 'kind')}"
    return StatusError(500, "", f"conversion webhook for {shown} {what}")


def converted(answer: bytes, uid: str, sent: list[Object], wanted: str, version: str) -> list[Object]:
    """The objects of an answer to the review `uid`, in the apiVersion `wanted`; `version` is the review's.

    Raises StatusError.
    """
    response = _response(answer, uid, sent[0], version)
    found = response.get("convertedObjects")
    found = found if isinstance(found, list) else []
    if len(found) != len(sent):
        raise failed(sent[0], f"returned {len(found)} objects, expected {len(sent)}")
    return [_checked(one, before, wanted, index) for index, (one, before) in enumerate(zip(found, sent, strict=True))]


def _response(answer: bytes, uid: str, first: Object, version: str) -> Object:
    try:
        review = decode_json(answer).object
    except StatusError as error:
        raise failed(first, f"failed: couldn't get version/kind; {error}") from None
    review = review if isinstance(review, dict) else {}
    wanted = f"apiextensions.k8s.io/{version}, Kind=ConversionReview"
    api = text(review, "apiVersion")
    found = f"{api if '/' in api else f'/{api}'}, Kind={text(review, 'kind')}"
    if version == "v1" and found != wanted:
        raise failed(first, f"failed: expected webhook response of {wanted}, got {found}")
    response = review.get("response")
    if not isinstance(response, dict):
        raise failed(first, "failed: no response provided")
    if version == "v1" and text(response, "uid") != uid:
        raise failed(first, f'failed: expected response.uid="{uid}", got "{text(response, "uid")}"')
    result = part(response, "result")
    if (status := text(result, "status")) != "Success":
        told = text(result, "message") or f"response.result.status was '{status}', not 'Success'"
        raise failed(first, f"failed: {told}")
    return response


def _checked(found: Any, sent: Object, wanted: str, index: int) -> Object:
    """One of the objects; its metadata must be what it was, but for labels and annotations."""
    obj = found if isinstance(found, dict) else {}
    invalid = f"returned invalid object at index {index}: invalid"
    if text(obj, "apiVersion") != wanted:
        versions = f"(expected {wanted}, received {text(obj, 'apiVersion')})"
        raise failed(sent, f"{invalid} groupVersion {versions}")
    if text(obj, "kind") != sent.get("kind"):
        raise failed(sent, f"{invalid} kind (expected {sent.get('kind')}, received {text(obj, 'kind')})")
    before, after = part(sent, "metadata"), part(obj, "metadata")
    for key in ("name", "namespace", "uid"):
        if text(before, key) != text(after, key):
            word = "UID" if key == "uid" else key
            told = f"must have the same {word}: {text(before, key)} != {text(after, key)}"
            raise failed(sent, f"returned invalid object: {told}")
    if not isinstance(obj.get("metadata"), dict):
        raise failed(sent, "returned invalid metadata: missing metadata in converted object")
    return obj

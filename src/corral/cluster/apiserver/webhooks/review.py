"""AdmissionReview: what a webhook is asked, and what its answer means. Pure."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from corral.cluster.apiserver.admission.expressions import request_of
from corral.cluster.apiserver.attributes import Admission
from corral.model.kubernetes.schema.document import decode_json
from corral.model.kubernetes.schema.gotypes import value_name
from corral.model.kubernetes.schema.zeros import written
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]


class BadReview(Exception):
    """An answer that is none."""


class Unreadable(BadReview):
    """An answer that is no JSON, or has something else where a list or a text is to be."""


class Verdict(NamedTuple):
    """`patch`: what a mutating webhook wants changed; None: nothing."""

    allowed: bool
    result: Object
    patch: Any
    warnings: list[str]
    annotations: dict[str, str]


def review_of(admission: Admission, uid: str, version: str) -> Object:
    """The question."""
    request = request_of(admission, uid)
    request["object"] = _written(admission.object)
    request["oldObject"] = _written(admission.old)
    request["dryRun"] = admission.dry_run
    request["options"] = admission.options
    return {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": request}


def _written(obj: Object | None) -> Object | None:
    return written(obj) if obj is not None else None


def verdict_of(body: bytes, uid: str, version: str, *, mutating: bool) -> Verdict:
    """The answer. Raises BadReview, Unreadable.

    >>> body = b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u","allowed":true}}'
    >>> verdict_of(body, "u", "v1", mutating=False).allowed
    True
    """
    try:
        review = decode_json(body).object
    except StatusError as error:
        raise Unreadable(f"couldn't get version/kind; {error}") from None
    expected = f"admission.k8s.io/{version}, Kind=AdmissionReview"
    if not isinstance(review, dict):
        raise BadReview(f"expected webhook response of {expected}")
    api = str(review.get("apiVersion", ""))
    found = f"{api if '/' in api else f'/{api}'}, Kind={review.get('kind', '')}"
    if found != expected and not (version == "v1beta1" and not review.get("kind")):
        raise BadReview(f"expected webhook response of {expected}, got {found}")
    response = review.get("response")
    if not isinstance(response, dict):
        raise BadReview("webhook response was absent")
    if response.get("uid", "") != uid and version == "v1":
        raise BadReview(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    patch = _patch(response, version) if mutating else None
    notes = response.get("auditAnnotations")
    result = response.get("status")
    return Verdict(
        response.get("allowed") is True,
        result if isinstance(result, dict) else {},
        patch,
        _warnings(response.get("warnings")),
        {str(key): str(value) for key, value in notes.items()} if isinstance(notes, dict) else {},
    )


def _warnings(found: Any) -> list[str]:
    if found is not None and not isinstance(found, list):
        name = value_name(found)
        raise Unreadable(f"json: cannot unmarshal {name} into Go struct field AdmissionResponse.response.warnings of "
            "type []string")  # fmt: skip
    return [str(one) for one in found or ()]


def _patch(response: Object, version: str) -> Any:
    raw, kind = response.get("patch"), response.get("patchType")
    if not raw:
        if kind:
            raise BadReview("webhook returned response.patchType but not response.patch")
        return None
    if kind is None and version == "v1":
        raise BadReview("webhook returned response.patch but not response.patchType")
    if kind not in (None, "JSONPatch"):
        raise BadReview(f'invalid webhook response.patchType of "{kind}", expected "JSONPatch"')
    try:
        return decode_json(base64.b64decode(raw)).object
    except (StatusError, TypeError, ValueError) as error:
        raise BadReview(f"invalid patch: {error}") from None


def denial(name: str, result: Object) -> StatusError:
    """
    >>> denial("x.example.com", {"message": "no", "code": 403, "reason": "Forbidden"}).message
    'admission webhook "x.example.com" denied the request: no'
    """
    head = f'admission webhook "{name}" denied the request'
    code, message, reason = result.get("code"), result.get("message"), str(result.get("reason") or "")
    code = code if isinstance(code, int) and 400 <= code < 600 else 400
    text = f"{head}: {message or reason}" if message or reason else f"{head} without explanation"
    details = result.get("details")
    return StatusError(code, reason, text, details if isinstance(details, dict) else None)

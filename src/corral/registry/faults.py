"""Faults: what the registry answers when it does not do what was asked, as the specification words it.

::

    {"errors": [{"code": "BLOB_UNKNOWN", "message": "blob unknown to registry", "detail": {"digest": "sha256:…"}}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from corral.errors import CorralError
from corral.http.message import Response

# code -> (status, the specification's description)
CODES: Final = {
    "BLOB_UNKNOWN": (404, "blob unknown to registry"),
    "BLOB_UPLOAD_INVALID": (400, "blob upload invalid"),
    "BLOB_UPLOAD_UNKNOWN": (404, "blob upload unknown to registry"),
    "DIGEST_INVALID": (400, "provided digest did not match uploaded content"),
    "MANIFEST_BLOB_UNKNOWN": (400, "manifest references a manifest or blob unknown to registry"),
    "MANIFEST_INVALID": (400, "manifest invalid"),
    "MANIFEST_UNKNOWN": (404, "manifest unknown to registry"),
    "NAME_INVALID": (400, "invalid repository name"),
    "NAME_UNKNOWN": (404, "repository name not known to registry"),
    "SIZE_INVALID": (400, "provided length did not match content length"),
    "UNAUTHORIZED": (401, "authentication required"),
    "DENIED": (403, "requested access to the resource is denied"),
    "UNSUPPORTED": (405, "the operation is unsupported"),
    "TOOMANYREQUESTS": (429, "too many requests"),
    "UNAVAILABLE": (503, "service unavailable"),
    "UNKNOWN": (500, "unknown error"),
}


class Fault(Exception):
    """One error, or several of one kind (`details`). `status` is the code's unless another is given."""

    def __init__(
        self,
        code: str,
        message: str = "",
        detail: Any = None,
        *,
        status: int = 0,
        headers: Mapping[str, str] | None = None,
        details: list[Any] | None = None,
    ) -> None:
        self.code, self.message = code, message or CODES[code][1]
        self.status = status or CODES[code][0]
        self.details = details if details is not None else [detail]
        self.headers = dict(headers or {})
        super().__init__(self.message)

    def response(self) -> Response:
        errors = [{"code": self.code, "message": self.message, "detail": detail} for detail in self.details]
        return json_response({"errors": errors}, self.status, self.headers)


def of_error(error: CorralError) -> Fault:
    """Pure: what our own side's failure is to a client: never its fault, and worth a retry."""
    return Fault("UNKNOWN", error.message)


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    return Response(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)

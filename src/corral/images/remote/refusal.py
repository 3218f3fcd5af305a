"""Refusal: a registry's answer that is an error, as the distribution-spec writes errors down. Pure.

::

    {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": …}]}
"""

from __future__ import annotations

import http
import json
from typing import Any

from corral.errors import CorralError, NotFound, RemoteFailed
from corral.images.references import Reference
from corral.images.remote.retry import LONGEST, duration

_GONE = ("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "DENIED")
NOBODY = "nobody"  # our own code: a password was asked for, and we have none
_WORDS = {"UNAUTHORIZED": "authentication required", "DENIED": "requested access to the resource is denied"}
_CODES = {401: "UNAUTHORIZED", 403: "DENIED", 429: "TOOMANYREQUESTS"}


class Refusal(Exception):
    """`status` is HTTP's, `code` the specification's ("" if there is none), `after` seconds of Retry-After or -1."""

    def __init__(self, status: int, code: str, message: str, url: str, after: float = -1) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message, self.url, self.after = status, code, message, url, after

    @property
    def text(self) -> str:
        """In Docker's words.

        >>> Refusal(404, "MANIFEST_UNKNOWN", "manifest unknown", "").text, Refusal(502, "", "oops", "http://a/").text
        ('manifest unknown: manifest unknown', 'received unexpected HTTP status: 502 Bad Gateway: oops')
        """
        if self.code == NOBODY:
            return self.message
        if self.code:
            return f"{self.code.lower().replace('_', ' ')}: {self.message}"
        reason = http.HTTPStatus(self.status).phrase if self.status in http.HTTPStatus._value2member_map_ else ""
        more = f": {self.message}" if self.message else ""
        return f"received unexpected HTTP status: {self.status} {reason}{more}"


def parse_refusal(status: int, body: bytes, url: str, after: float = -1) -> Refusal:
    """Whatever the body is.

    >>> parse_refusal(404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"m"}]}', "").code
    'NAME_UNKNOWN'
    >>> parse_refusal(401, b'{"details":"incorrect username or password"}', "").text
    'unauthorized: incorrect username or password'
    >>> parse_refusal(404, b'{"errors":[{"code":"X","message":"\\\\u001b]0;own"}]}', "").message
    '\ufffd]0;own'
    >>> parse_refusal(500, b"<html>", "").message
    ''
    """
    code, message = _first(body)
    code = code or _CODES.get(status, "")
    return Refusal(status, code, message or _WORDS.get(code, code.lower().replace("_", " ")), url, after)


def _first(body: bytes) -> tuple[str, str]:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        text = body[:300].decode("utf-8", "replace").strip()
        return "", "" if "<" in text or not text.isprintable() else text
    if not isinstance(found, dict):
        return "", ""
    errors = found.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = errors[0]
        code, message = first.get("code"), first.get("message")
        return _shown(str(code or "")[:100].upper()), _shown(str(message or "")[:2000])
    text = found.get("details") or found.get("message") or found.get("error_description") or found.get("error") or ""
    return "", _shown(text[:2000]) if isinstance(text, str) else ""


def _shown(text: str) -> str:
    """Without what would be an order to the terminal that somebody reads it at.

    >>> _shown("no\\x1b[31m red,\\nbut lines")
    'no\ufffd[31m red,\\nbut lines'
    """
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)


def explain_pull(refusal: Refusal, ref: Reference) -> CorralError:
    """Why there is no such image for us, in Docker's words.

    >>> from corral.images.references import parse
    >>> explain_pull(Refusal(404, "MANIFEST_UNKNOWN", "manifest unknown", ""), parse("a:1")).message
    'manifest for a:1 not found: manifest unknown: manifest unknown'
    """
    if refusal.code == "DENIED":
        return NotFound(
            f"pull access denied for {ref.familiar_name}, repository does not exist or may require 'docker login': "
            f"{refusal.text}"
        )
    if refusal.code == "MANIFEST_UNKNOWN":
        return NotFound(f"manifest for {ref.familiar} not found: {refusal.text}")
    if refusal.code == "NAME_UNKNOWN":
        return NotFound(f"repository {ref.familiar_name} not found: {refusal.text}")
    if refusal.status == 404:
        return NotFound(f"manifest for {ref.familiar} not found: {refusal.text}")
    return explain(refusal)


def explain(refusal: Refusal) -> CorralError:
    """Any other operation."""
    if refusal.status == 429:
        return RemoteFailed(f"{refusal.text}{_advice(refusal)}")
    return RemoteFailed(refusal.text)  # not Unauthorized, at which docker's client would ask for a password


def _advice(refusal: Refusal) -> str:
    wait = f"; it asks to wait {duration(refusal.after)}" if refusal.after > LONGEST else ""
    return (
        f" (the registry answers no more requests for now{wait}; `docker login` may raise its limit, "
        "and a mirror may have the image: registry-mirror in the settings)"
    )


def is_missing(refusal: Refusal) -> bool:
    """The registry does not have it, or does not say so to us."""
    return refusal.status == 404 or refusal.code in _GONE

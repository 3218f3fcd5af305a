"""What becomes of unknown and duplicate fields: refused, warned of, or dropped without a word.

Follows the `fieldValidation` parameter of the API (k8s.io/apiserver/pkg/endpoints/handlers).
"""

from __future__ import annotations

from collections.abc import Sequence

from corral.model.kubernetes import status
from corral.model.kubernetes.resources import GroupVersionKind

IGNORE, WARN, STRICT = "Ignore", "Warn", "Strict"
MODES = (IGNORE, STRICT, WARN)


def plan_warnings(mode: str, complaints: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Pure: (warnings for the client, why the request is refused or ""). An empty mode is Warn.

    >>> plan_warnings("", ['unknown field "spec.a"'])
    (('unknown field "spec.a"',), '')
    >>> plan_warnings("Strict", ['unknown field "spec.a"', 'duplicate field "spec.b"'])
    ((), 'strict decoding error: unknown field "spec.a", duplicate field "spec.b"')
    """
    if not complaints or mode == IGNORE:
        return (), ""
    if mode == STRICT:
        return (), "strict decoding error: " + ", ".join(complaints)
    return tuple(dict.fromkeys(complaints)), ""


def cannot_be_handled(gvk: GroupVersionKind, wanted: str, cause: str) -> status.StatusError:
    """400: the body has a kind, but its fields don't fit. `wanted` is the kind that the path asks for.

    >>> cannot_be_handled(GroupVersionKind("apps", "v1", "Deployment"), "Deployment", "why").message
    'Deployment in version "v1" cannot be handled as a Deployment: why'
    """
    return status.bad_request(f'{gvk.kind} in version "{gvk.version}" cannot be handled as a {wanted}: {cause}')


def unrecognized(wanted: str, cause: str, body: bytes) -> status.StatusError:
    """400: the body is no object at all.

    >>> unrecognized("Pod", "why", b'{"a":').message
    'the object provided is unrecognized (must be of type Pod): why ({"a":)'
    >>> unrecognized("Pod", "why", bytes(31)).message[-8:]
    '000 ...)'
    """
    message = f"the object provided is unrecognized (must be of type {wanted}): {cause} ({_summary(body)})"
    return status.bad_request(message)


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    start = body[:30]
    shown = start.decode("utf-8", "replace") if body[:1] == b"{" else start.hex()
    return f"{shown} ..." if len(body) > 30 else shown

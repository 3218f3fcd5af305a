"""The errors of the Kubernetes API: each is a Status object, which clients tell apart by `reason`.

In this API the Status is the domain's own error (controllers decide by it as much as kubectl prints it), so its
code belongs to it. Follows k8s.io/apimachinery/pkg/api/errors: reasons, codes and texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corral.errors import CorralError, Unavailable
from corral.model.kubernetes.problems import Problem


class StatusError(CorralError):
    """`code` is the HTTP status; `details` as in Status.details: some Statuses have them, and nothing in them."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.details = code, reason, {} if details is None else details
        self._detailed = details is not None

    def status(self) -> dict[str, Any]:
        """The object that goes over the wire."""
        found: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        found["message"] = self.message
        if self.reason:
            found["reason"] = self.reason
        if self.details or self._detailed:
            found["details"] = self.details
        found["code"] = self.code
        return found


def qualified(resource: str, group: str) -> str:
    """Pure: a resource as messages name it.

    >>> qualified("pods", ""), qualified("deployments", "apps")
    ('pods', 'deployments.apps')
    """
    return f"{resource}.{group}" if group else resource


def _details(name: str, group: str, kind: str) -> dict[str, Any]:
    found = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in found.items() if value}


def not_found(resource: str, name: str, group: str = "") -> StatusError:
    """
    >>> not_found("deployments", "web", "apps").message
    'deployments.apps "web" not found'
    """
    message = f'{qualified(resource, group)} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(name, group, resource))


def no_such_path() -> StatusError:
    """A path that leads nowhere: no such resource of a group, no such subresource."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


class PageNotFound(StatusError):
    """Nothing is served there at all. Clients are told by the text of Go's servers, of which they make words of theirs:
    "the server could not find the requested resource (get cows.example.com)".
    """

    TEXT = "404 page not found\n"

    def __init__(self) -> None:
        super().__init__(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: str, name: str, group: str = "") -> StatusError:
    message = f'{qualified(resource, group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(name, group, resource))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(
    resource: str, name: str, cause: str = MODIFIED, group: str = "", causes: Sequence[dict[str, str]] = ()
) -> StatusError:
    """409: `cause` says what stood against it; `causes` as server-side apply lists them."""
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {cause}'
    details = _details(name, group, resource)
    if causes:
        details["causes"] = list(causes)
    return StatusError(409, "Conflict", message, details)


def invalid(kind: str, name: str, problems: Sequence[Problem], group: str = "") -> StatusError:
    """422. `kind` is the object's kind, not its resource.

    >>> from corral.model.kubernetes import problems as p
    >>> invalid("Pod", "web", [p.required("spec.containers")]).message
    'Pod "web" is invalid: spec.containers: Required value'
    """
    texts = list(dict.fromkeys(str(problem) for problem in problems))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    shown = qualified(kind, group)
    causes = [{"reason": one.type, "message": one.body, "field": one.field} for one in problems]
    details = {**_details(name, group, kind), "causes": causes}
    return StatusError(422, "Invalid", f'{shown} "{name}" is invalid: {joined}', details)


def forbidden(resource: str, name: str, cause: str, group: str = "") -> StatusError:
    """
    >>> forbidden("pods", "web", "exceeded quota: q").message, forbidden("pods", "", "no").message
    ('pods "web" is forbidden: exceeded quota: q', 'pods is forbidden: no')
    """
    named = f'{qualified(resource, group)} "{name}"' if name else qualified(resource, group)
    return StatusError(403, "Forbidden", f"{named} is forbidden: {cause}", _details(name, group, resource))


def unauthorized(message: str = "Unauthorized") -> StatusError:
    return StatusError(401, "Unauthorized", message)


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def method_not_supported(resource: str, action: str, group: str = "") -> StatusError:
    message = f"{action} is not supported on resources of kind {qualified(resource, group)!r}".replace("'", '"')
    return StatusError(405, "MethodNotAllowed", message, _details("", group, resource))


def not_allowed() -> StatusError:
    """A method that nothing at its path takes."""
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def not_acceptable(message: str) -> StatusError:
    return StatusError(406, "NotAcceptable", message)


def too_large(message: str) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(message: str) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", message)


def expired(message: str) -> StatusError:
    """410: the revision that was asked for is compacted; a client lists anew."""
    return StatusError(410, "Expired", message)


def too_many_requests(message: str, retry_after: int, causes: Sequence[dict[str, str]] = ()) -> StatusError:
    """429. `retry_after`: seconds, which the server also sends as Retry-After."""
    details: dict[str, Any] = {"retryAfterSeconds": retry_after}
    if causes:
        details["causes"] = list(causes)
    return StatusError(429, "TooManyRequests", message, details)


def timeout(message: str, retry_after: int = 0) -> StatusError:
    details = {"retryAfterSeconds": retry_after} if retry_after else {}
    return StatusError(504, "Timeout", f"Timeout: {message}", details)


def unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)


def internal(message: str) -> StatusError:
    details = {"causes": [{"message": message}]}
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", details)


def status_of(error: CorralError) -> StatusError:
    """Pure: what clients are told of a failure that is no Status yet.

    >>> status_of(Unavailable("etcd cannot be reached")).reason, status_of(CorralError("write x: no")).code
    ('ServiceUnavailable', 500)
    """
    return unavailable(error.message) if isinstance(error, Unavailable) else internal(error.message)

"""An authorizer's answer, and how a refusal reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from corral.cluster.apiserver.attributes import Attributes, User
from corral.model.kubernetes.status import StatusError, forbidden


class Decision(NamedTuple):
    """`reason` is for the audit log when allowed, and a part of the refusal when not."""

    allowed: bool
    reason: str = ""


class Rules(NamedTuple):
    """All that a user may do in a namespace, as far as it can be listed: plain PolicyRule objects."""

    rules: Sequence[dict[str, Any]]
    incomplete: bool = False
    error: str = ""


class Authorizer(Protocol):
    """Decides from memory, at once."""

    def authorize(self, attributes: Attributes) -> Decision: ...

    def rules_for(self, user: User, namespace: str) -> Rules: ...


def refusal(attributes: Attributes, reason: str = "") -> StatusError:
    """Pure: the 403, in kubectl's users' words.

    >>> who = User("jane")
    >>> refusal(Attributes(who, "list", resource="pods", namespace="default")).message
    'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
    >>> refusal(Attributes(who, "get", group="apps", resource="deployments", name="web"), "no").message
    'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments" in API group "apps" at the cluster scope: no'
    >>> refusal(Attributes(who, "get", path="/foo")).message
    'forbidden: User "jane" cannot get path "/foo"'
    """  # noqa: E501
    cause = _escaped(_sentence(attributes))
    if reason:
        cause = f"{cause}: {reason}"
    if attributes.is_resource:
        return forbidden(attributes.resource, attributes.name, cause, attributes.group)
    return StatusError(403, "Forbidden", f"forbidden: {cause}", {})


def _sentence(attributes: Attributes) -> str:
    who, verb = _quoted(attributes.user.name), attributes.verb
    if not attributes.is_resource:
        return f"User {who} cannot {verb} path {_quoted(attributes.path)}"
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    what = f"User {who} cannot {verb} resource {_quoted(resource)} in API group {_quoted(attributes.group)}"
    if attributes.namespace:
        return f"{what} in the namespace {_quoted(attributes.namespace)}"
    return f"{what} at the cluster scope"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> str:
    """What a browser could take for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""What a request wants, in the words that authorization and admission decide by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corral.model.kubernetes.resources import Resource

ANONYMOUS = "system:anonymous"
AUTHENTICATED_GROUP = "system:authenticated"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
MASTERS_GROUP = "system:masters"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as authentication found out."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What authorization looks at (k8s.io/apiserver/pkg/authorization/authorizer).

    `verb` is get, list, watch, create, update, patch, delete, deletecollection, or, of a path that is no resource
    (`resource` is "", `path` is set), the HTTP method in lower case; impersonate, bind, escalate, approve, … too.
    """

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""
    label_selector: str = ""

    @property
    def is_resource(self) -> bool:
        return bool(self.resource)


@dataclass(slots=True)
class Admission:
    """What admission looks at, and may change: `object` (mutating plugins replace or edit it), `warnings`.

    `operation` is CREATE, UPDATE, DELETE or CONNECT. `object` is None for DELETE, `old` is None for CREATE; both are
    plain JSON in the version of `resource`. `options` is the CreateOptions, UpdateOptions, PatchOptions or
    DeleteOptions object. `requested`: the resource of the request, where `resource` is an equivalent one that somebody
    wants to see instead. `deadline`: when the request is given up, by the event loop's time. Nothing may be written
    anywhere by a plugin when `dry_run`.
    """

    user: User
    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    object: dict[str, Any] | None
    old: dict[str, Any] | None
    options: dict[str, Any]
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    requested: Resource | None = None
    deadline: float | None = None

"""Client: the API server as its components see it, in-process or over HTTPS.

Objects are plain JSON dicts. What `get`, `list` and `watch` return may be shared with others: copy before changing.
What `list` and `watch` return may lack metadata.managedFields: nobody decides by them, and an update without them
leaves them as they are.
Every method raises StatusError (corral.model.kubernetes.status), which a caller tells apart by `reason`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Collection(NamedTuple):
    """One resource in one version: where objects of a kind are found. The core group is ""."""

    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """
        >>> Collection("apps", "v1", "deployments").api_version, Collection("", "v1", "pods").api_version
        ('apps/v1', 'v1')
        """
        return f"{self.group}/{self.version}" if self.group else self.version


class Listing(NamedTuple):
    """All objects of one moment; a watch from `resource_version` on tells what came after it."""

    items: list[Object]
    resource_version: str


class Event(NamedTuple):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK (then only the object's resourceVersion means anything)."""

    type: str
    object: Object


class Client(Protocol):
    """`namespace` is "" for objects that have none, and in `list` and `watch` for all namespaces."""

    async def get(self, of: Collection, name: str, namespace: str = "") -> Object: ...

    async def list(
        self, of: Collection, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing: ...

    def watch(
        self,
        of: Collection,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Event]:
        """Changes after `resource_version`, without gaps, until the server ends the watch (then watch on from the last
        version seen). Raises StatusError 410 when the version is too old: list anew."""
        ...

    async def create(self, of: Collection, obj: Object, namespace: str = "", *, subresource: str = "") -> Object:
        """The object as it was stored. With a subresource (binding, eviction, token) of the object of that name."""
        ...

    async def update(self, of: Collection, obj: Object, *, subresource: str = "") -> Object:
        """Replaces. With a resourceVersion in its metadata, 409 Conflict when somebody was faster."""
        ...

    async def patch(
        self,
        of: Collection,
        name: str,
        namespace: str = "",
        *,
        patch: Any,
        type: str = MERGE_PATCH,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object: ...

    async def delete(
        self, of: Collection, name: str, namespace: str = "", *, options: Mapping[str, Any] | None = None
    ) -> Object:
        """`options` as in DeleteOptions: preconditions, propagationPolicy, gracePeriodSeconds."""
        ...

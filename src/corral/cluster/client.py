"""What every component of the cluster speaks: objects by kind, namespace and name; lists, watches, writes.

Controllers, the scheduler, kubelets and the rest know this Protocol and nothing of the server. In one process it is
`cluster.apiserver.local`; elsewhere HTTP. All methods raise StatusError, whose `reason` says what went wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

Object = dict[str, Any]
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON: Final = "application/json-patch+json"


class Collection(NamedTuple):
    """A resource in one version: `Collection("apps", "v1", "deployments")`; the core group is ""."""

    group: str
    version: str
    plural: str


class Listing(NamedTuple):
    """Objects as of a revision, from which a watch may go on. They are shared: nobody may change them."""

    items: Sequence[Object]
    resource_version: str


class Event(NamedTuple):
    """`type`: ADDED, MODIFIED, DELETED or BOOKMARK. The object is shared: nobody may change it."""

    type: str
    object: Object


class Client(Protocol):
    """One user's hands on the cluster. `namespace` is "" for what has none, and for lists of all namespaces."""

    async def get(self, where: Collection, name: str, namespace: str = "") -> Object:
        """A shared object: nobody may change it. 404."""
        ...

    async def list(self, where: Collection, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """All that the selectors, as text, choose."""
        ...

    def watch(
        self, where: Collection, since: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Event]:
        """What happens after a revision ("" : first ADDED for all there is). Raises 410 when it is too long ago: list
        again. Ends when the server does."""
        ...

    async def create(self, where: Collection, obj: Object, namespace: str = "") -> Object:
        """The object as it was stored. 409 AlreadyExists, 422, 403."""
        ...

    async def update(self, where: Collection, obj: Object, subresource: str = "") -> Object:
        """With the resourceVersion that was read; without one, whatever is there is overwritten. 409 Conflict."""
        ...

    async def patch(
        self, where: Collection, name: str, patch: Any, namespace: str = "", *, kind: str = MERGE, subresource: str = ""
    ) -> Object:
        """`kind`: MERGE, STRATEGIC or JSON."""
        ...

    async def apply(
        self, where: Collection, obj: Object, manager: str, *, force: bool = True, subresource: str = ""
    ) -> Object:
        """Server-side apply. 409 with a cause for each field that another manager owns, unless `force`."""
        ...

    async def delete(
        self,
        where: Collection,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "",
        grace: int | None = None,
    ) -> None:
        """409 when the object is another than `uid`, or not at `resource_version`. 404."""
        ...

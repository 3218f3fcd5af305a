"""What the server's own parts read: objects in memory, without a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

Object = dict[str, Any]


class Lookup(Protocol):
    """The watch caches, as admission, authorization and discovery see them. What is returned must not be changed."""

    def get(self, group: str, plural: str, namespace: str, name: str) -> Object | None:
        """The object, in its stored version; None when it is not there. `namespace` is "" for what has none."""
        ...

    def list(self, group: str, plural: str, namespace: str = "") -> Sequence[Object]:
        """All objects of the resource, of one namespace or ("") of all."""
        ...

    def subscribe(self, group: str, plural: str, changed: Callable[[Object | None, Object | None], None]) -> None:
        """Calls `changed(old, new)` at once for what is there, then for each change; None: was or is not there."""
        ...

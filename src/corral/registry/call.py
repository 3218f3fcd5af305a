"""A call: one request to the registry, with what is known of who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corral.http.message import Request
from corral.registry.faults import Fault

if TYPE_CHECKING:
    from corral.registry.app import Registry


@dataclass(slots=True)
class Call:
    """`name` and `item` are the route's. `may(action, repository)` tells what else the caller has a right to."""

    registry: Registry
    request: Request
    name: str
    item: str
    user: str = ""
    may: Callable[[str, str], bool] = lambda action, repository: True

    def length(self) -> int | None:
        """The Content-Length; None if the body comes in chunks, or there is none."""
        found = self.request.header("content-length")
        return int(found) if found else None

    def need_name(self) -> str:
        """The repository's name, which must be there. NAME_UNKNOWN."""
        if self.registry.repositories.get(self.name) is None:
            raise Fault("NAME_UNKNOWN", f"repository name not known to registry: {self.name}", {"name": self.name})
        return self.name

"""A call: one request to the registry, with what is known of who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from corral.http.message import Request
from corral.registry.faults import Fault

if TYPE_CHECKING:
    from corral.registry.app import Registry
    from corral.registry.upstreams import Place


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `user` "" is nobody. `granted`: what their token grants, {repository: actions}; None without one."""

    user: str = ""
    granted: dict[str, frozenset[str]] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """`name` and `item` are the route's; `place` is where the repository comes from, if it is not our own."""

    registry: Registry
    request: Request
    name: str
    item: str
    identity: Identity
    place: Place | None = None

    def may(self, action: str, repository: str) -> bool:
        """What else the caller may do, by right and by token."""
        return self.registry.access.may(self.identity, action, repository)

    def sees(self, repository: str) -> bool:
        """Whether a repository is shown to the caller in lists, for which no token is made."""
        return "pull" in self.registry.access.rights(self.identity.user, repository)

    def length(self) -> int | None:
        """The Content-Length; None if the body comes in chunks, or there is none."""
        found = self.request.header("content-length")
        return int(found) if found else None

    def need_name(self) -> str:
        """The repository's name, which must be there. NAME_UNKNOWN."""
        if self.registry.repositories.get(self.name) is None:
            raise Fault("NAME_UNKNOWN", f"repository name not known to registry: {self.name}", {"name": self.name})
        return self.name

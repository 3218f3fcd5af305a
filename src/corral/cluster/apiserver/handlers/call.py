"""One request, understood: what its path means, who sent it, and what has been noted for its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.encoding import bodies
from corral.cluster.apiserver.encoding.accept import Accepted, negotiate
from corral.cluster.apiserver.objects.core import Caller
from corral.cluster.apiserver.paths import RequestInfo
from corral.http.message import Request

LONGEST_MANAGER = 128


@dataclass(slots=True)
class Call:
    """`caller.warnings` become headers; `body` is what was sent, once somebody has read it."""

    request: Request
    info: RequestInfo
    user: User
    caller: Caller = field(init=False)
    body: Any = None

    def __post_init__(self) -> None:
        self.caller = Caller(self.user, manager_of(self.request.header("user-agent")))

    def accepted(self, transforms: bool = True) -> Accepted:
        return negotiate(self.request.header("accept"), transforms)

    async def read(self) -> tuple[Any, list[str]]:
        """The body as plain JSON, and what came twice in it. 400, 413, 415."""
        data = await bodies.read(self.request)
        found, duplicates = bodies.decode(data, bodies.media_type(self.request)) if data else (None, [])
        self.body = found
        return found, duplicates


def manager_of(agent: str) -> str:
    """Pure: who is noted as the owner of fields when the client does not say: its program's name.

    >>> manager_of("kubectl/v1.37.1 (linux/amd64) kubernetes/abc"), manager_of("")
    ('kubectl', 'unknown')
    """
    name = "".join(char for char in agent.partition("/")[0] if char.isprintable())
    return name.encode()[:LONGEST_MANAGER].decode("utf-8", "ignore") or "unknown"

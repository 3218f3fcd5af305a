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
from corral.model.kubernetes.kind import Object

LONGEST_MANAGER = 128


@dataclass(slots=True)
class Call:
    """`caller.warnings` become headers; `sent` is what the client sent, once it was read, for the audit log."""

    request: Request
    info: RequestInfo
    user: User
    caller: Caller = field(init=False)
    sent: Any = None

    def __post_init__(self) -> None:
        self.caller = Caller(self.user, manager_of(self.request.header("user-agent")))

    def accepted(self, transforms: bool = True) -> Accepted:
        return negotiate(self.request.header("accept"), transforms)

    async def read(self) -> bytes:
        """The body. 413."""
        return await bodies.read(self.request)

    async def read_as(self, expected: bodies.Expected, validation: str = "Ignore") -> Object:
        """The body as an object of one kind. 400, 413, 415."""
        data = await self.read()
        media = self.request.header("content-type")
        found = bodies.decode(data, media, expected, validation, self.caller.warn)
        self.sent = found
        return found


def manager_of(agent: str) -> str:
    """Pure: who is noted as the owner of fields when the client does not say: its program's name.

    >>> manager_of("kubectl/v1.37.1 (linux/amd64) kubernetes/abc"), manager_of("")
    ('kubectl', 'unknown')
    """
    name = "".join(char for char in agent.partition("/")[0] if char.isprintable())
    return name.encode()[:LONGEST_MANAGER].decode("utf-8", "ignore") or "unknown"

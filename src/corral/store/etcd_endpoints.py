"""Several endpoints of one etcd: whichever answers is asked, until it does not.

Each has a channel of its own, so that with TLS each certificate is held against its own endpoint's name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import grpc
from aetcd import rpc

AWAY: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def unreached(error: Any) -> bool:
    """Pure: whether a call certainly has not come to anybody, so that it may be made again elsewhere."""
    return error.code() == grpc.StatusCode.UNAVAILABLE and "failed to connect" in str(error.details())


class Endpoints:
    """The channels, and which of them is used."""

    def __init__(self, channels: Sequence[Any]) -> None:
        self.channels, self.at = channels, 0

    def note(self, at: int, error: Any) -> None:
        """A call over channel `at` has failed: if that is its fault, the next one is used from now on."""
        if error.code() in AWAY and at == self.at:
            self.at = (at + 1) % len(self.channels)

    async def close(self) -> None:
        for channel in self.channels:
            await channel.close()


class Stub:
    """One of etcd's services: its calls as methods. `here`: at the endpoint that is used, for streams."""

    def __init__(self, endpoints: Endpoints, make: Callable[[Any], Any]) -> None:
        self._endpoints, self._made = endpoints, [make(channel) for channel in endpoints.channels]

    @property
    def here(self) -> Any:
        return self._made[self._endpoints.at]

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(request: Any, **options: Any) -> Any:
            """Raises AioRpcError: of the last endpoint, when none is reached."""
            for left in reversed(range(len(self._made))):
                at = self._endpoints.at
                try:
                    return await getattr(self._made[at], name)(request, **options)
                except rpc.AioRpcError as error:
                    self._endpoints.note(at, error)
                    if not left or not unreached(error):
                        raise
            raise AssertionError("the last try raises")

        return call

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

    def turns(self) -> Sequence[int]:
        """Every channel once, beginning with the one that is used.

        >>> some = Endpoints(["a", "b", "c"])
        >>> some.at = 1
        >>> some.turns()
        [1, 2, 0]
        """
        return [(self.at + step) % len(self.channels) for step in range(len(self.channels))]

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
            # Each is tried once, wherever others' failures move `at` meanwhile: a stream of before an etcd's
            # restart may fail long after it is back, and has no say in which is tried here.
            turns = self._endpoints.turns()
            for at in turns:
                try:
                    answer = await getattr(self._made[at], name)(request, **options)
                except rpc.AioRpcError as error:
                    self._endpoints.note(at, error)
                    if at == turns[-1] or not unreached(error):
                        raise
                else:
                    self._endpoints.at = at
                    return answer
            raise AssertionError("the last try raises")

        return call

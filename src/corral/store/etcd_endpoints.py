"""Several endpoints of one etcd: whichever answers is asked, until it does not.

Each has a channel of its own, so that with TLS each certificate is held against its own endpoint's name. An etcd that
is away for a moment, because it starts anew or chooses its leader, is waited for, as etcd's own client does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import grpc
from aetcd import rpc

AWAY: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
READS: Final = ("Range", "Authenticate")  # what may be done twice
PATIENCE: Final = 2.0  # seconds for an endpoint to answer after the first that did not
PAUSE: Final = 0.025  # seconds between two rounds


def repeatable(name: str, code: grpc.StatusCode, details: str) -> bool:
    """Pure: whether a call that has failed may be made again, there or elsewhere.

    What reads may; what writes only if it certainly has not come to anybody.

    >>> unavailable = grpc.StatusCode.UNAVAILABLE
    >>> repeatable("Range", unavailable, "Socket closed"), repeatable("Txn", unavailable, "Socket closed")
    (True, False)
    >>> repeatable("Txn", unavailable, "failed to connect to all addresses")
    True
    >>> repeatable("Range", grpc.StatusCode.OUT_OF_RANGE, "mvcc: required revision has been compacted")
    False
    """
    return code == grpc.StatusCode.UNAVAILABLE and (name in READS or "failed to connect" in details)


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
            """Raises AioRpcError: the last one, when none has answered for PATIENCE seconds."""
            loop = asyncio.get_running_loop()
            until = 0.0
            while True:
                # Each is tried once, wherever others' failures move `at` meanwhile: a stream of before an etcd's
                # restart may fail long after it is back, and has no say in which is tried here.
                for at in self._endpoints.turns():
                    try:
                        answer = await getattr(self._made[at], name)(request, **options)
                    except rpc.AioRpcError as error:
                        self._endpoints.note(at, error)
                        until = until or loop.time() + PATIENCE
                        if not repeatable(name, error.code(), str(error.details())) or loop.time() > until:
                            raise
                    else:
                        self._endpoints.at = at
                        return answer
                await asyncio.sleep(PAUSE)

        return call

"""A client's terminal, whatever protocol it speaks: what exec and attach need of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

STDIN, STDOUT, STDERR, ERROR, RESIZE = 0, 1, 2, 3, 4
SIZES_LIMIT: Final = 4096  # bytes of a size that does not end

Resize = Callable[[int, int], Awaitable[None]]


class Readable(Protocol):
    async def read(self) -> bytes: ...


class Console(Protocol):
    """`run` moves what the client sends until it has left; `ready` is set when its streams are there.

    `stdin` may be read once it is ready: b"" when the client has ended it; None: the client has none.
    """

    ready: asyncio.Event
    stdin: Readable | None

    async def run(self, resize: Resize) -> None: ...

    async def output(self, channel: int, data: bytes) -> None:
        """To STDOUT or STDERR; waits while the client is slow. ClientGone."""
        ...

    async def finish(self, status: dict[str, Any]) -> None:
        """Says how it ended, and that nothing more will come. ClientGone."""
        ...


class Sizes:
    """Sizes of a terminal as they come, JSON objects without anything between them, cut anywhere.

    >>> sizes = Sizes()
    >>> sizes.feed(b'{"Width":80,"Hei'), sizes.feed(b'ght":24}{"Width":100,"Height":30}')
    ([], [(24, 80), (30, 100)])
    """

    def __init__(self) -> None:
        self._text = ""
        self._decoder = json.JSONDecoder()

    def feed(self, data: bytes) -> list[tuple[int, int]]:
        """(height, width) of each that is complete now. What is no size is left out."""
        self._text += data.decode("latin-1")
        found = []
        while self._text:
            try:
                value, end = self._decoder.raw_decode(self._text.lstrip())
            except ValueError:
                if len(self._text) > SIZES_LIMIT:
                    self._text = ""
                break
            self._text = self._text.lstrip()[end:]
            if (size := _size(value)) is not None:
                found.append(size)
        return found


def _size(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, dict):
        return None
    named = {str(key).lower(): found for key, found in value.items()}
    height, width = named.get("height"), named.get("width")
    if not (isinstance(height, int) and isinstance(width, int)):
        return None
    return (height, width) if 0 < height < 65536 and 0 < width < 65536 else None


def exit_status(code: int) -> dict[str, Any]:
    """Pure: how a process ended, as the error channel says it.

    >>> exit_status(0)
    {'metadata': {}, 'status': 'Success'}
    >>> exit_status(3)["details"]
    {'causes': [{'reason': 'ExitCode', 'message': '3'}]}
    """
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def status_bytes(status: dict[str, Any], protocol: str) -> bytes:
    """Pure: the same in the protocol's form: since v4 as JSON, before as text, and nothing when all went well.

    >>> status_bytes(exit_status(0), "channel.k8s.io"), status_bytes(exit_status(1), "v3.channel.k8s.io")
    (b'', b'command terminated with exit code 1')
    """
    if protocol.startswith(("v4.", "v5.")):
        return json.dumps(status, separators=(",", ":")).encode()
    return b"" if status["status"] == "Success" else str(status.get("message", "")).encode()

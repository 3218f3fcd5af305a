"""NodeAccess: what the API server asks a node for: logs, commands, consoles and connections of its pods.

The API server has the pod object and speaks the clients' protocols; the node has the processes. Streams are bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Object = dict[str, Any]


@dataclass(frozen=True)
class LogOptions:
    """As PodLogOptions: None is not given. `since` is a time in nanoseconds. `stream` is All, Stdout or Stderr."""

    container: str
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: int | None = None
    tail: int | None = None
    limit: int | None = None
    stream: str = "All"


class Streams(Protocol):
    """The streams of a process: `read` gives (1 stdout | 2 stderr, bytes), None when both have ended."""

    async def read(self) -> tuple[int, bytes] | None: ...

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    async def resize(self, height: int, width: int) -> None: ...

    async def wait(self) -> int:
        """The exit code, once the process has ended; of an attached console 0 when its output has ended."""
        ...

    async def close(self) -> None: ...


class Connection(Protocol):
    """A TCP connection to a port of a pod. `read` gives b"" at its end."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    async def end(self) -> None:
        """No more will be written."""
        ...

    async def close(self) -> None: ...


class NodeAccess(Protocol):
    """Everything raises StatusError, in upstream's words, for what the pod does not have. `pod` is the whole object."""

    def logs(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:
        """Raises at once, or not at all."""
        ...

    def check_running(self, pod: Object, container: str) -> None:
        """Raises for a container that nothing can be run in, nor be attached to."""
        ...

    async def exec(
        self, pod: Object, container: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> Streams: ...

    async def attach(
        self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> Streams: ...

    async def connect(self, pod: Object, port: int) -> Connection:
        """Within the pod's network, so also to what listens on its loopback only. An internal error (500) has the bare
        cause, without port and pod."""
        ...

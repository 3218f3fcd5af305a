"""A container in the foreground: its streams on the terminal, signals passed on, its size kept, its exit code ours."""

from __future__ import annotations

import os
import signal

from corral.cli import terminal
from corral.cli.fail import ApiError, Failure
from corral.cli.stream import PROXIED, Pump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from corral.cli.http import Client, Reply


def require_terminal(tty: bool, stdin: bool) -> None:
    """A terminal inside needs one outside if we type into it."""
    if tty and stdin and not terminal.is_terminal(0):
        raise Failure("the input device is not a TTY", 1)


def detach_keys(words: str) -> bytes:
    return terminal.parse_keys(words or os.environ.get("CORRAL_DETACH_KEYS", "") or terminal.DETACH_KEYS)


def resize(client: Client, path: str) -> None:
    """Tells the daemon our size. What is gone already needs none."""
    rows, columns = terminal.size()
    if not rows:
        return
    try:
        client.open("POST", f"{path}/resize", {"h": str(rows), "w": str(columns)}).read()
    except ApiError as error:
        if error.status not in (404, 409):
            raise


def foreground(
    client: Client,
    reply: Reply,
    path: str,
    *,
    tty: bool,
    stdin: bool,
    keys: bytes = b"",
    proxy: bool = True,
) -> str:
    """Pumps until the end or until detached. `path` is /containers/ID or /exec/ID; signals go to containers only."""

    def on_signal(number: int) -> None:
        if number == signal.SIGWINCH:
            resize(client, path)
            return
        try:
            client.open("POST", f"{path}/kill", {"signal": str(number)}).read()
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    caught: list[int] = [signal.SIGWINCH] if tty else []
    if proxy:
        caught += [getattr(signal, f"SIG{name}") for name in PROXIED]
    if tty:
        resize(client, path)
    return Pump(reply, stdin=stdin, tty=tty, detach_keys=keys, on_signal=on_signal).run(caught)


def start_code(error: ApiError) -> int:
    """What a shell would report for a program that could not be started. Pure.

    >>> start_code(ApiError(400, 'exec: "nope": executable file not found in $PATH: unknown'))
    127
    """
    if "executable file not found" in error.reason or "no such file or directory" in error.reason:
        return 127
    return 126 if "permission denied" in error.reason or "is a directory" in error.reason else 125


def begin(start: Callable[[], object]) -> None:
    """Starts, or fails with the code that says why."""
    try:
        start()
    except ApiError as error:
        raise Failure(f"corral: {error.message}", start_code(error)) from None

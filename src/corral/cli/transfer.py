"""What a pull or a push says, drawn: on a terminal a line for each layer, which changes; else a line for each step."""

from __future__ import annotations

import json
import sys

from corral.cli import terminal
from corral.cli.fail import Failure
from corral.cli.render import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from corral.cli.http import Reply

BAR = 30


def row(said: dict[str, Any], width: int) -> str:
    """One layer's line, cut to the terminal. Pure.

    >>> row({"id": "abc", "status": "Downloading", "progressDetail": {"current": 5, "total": 10}}, 70)
    'abc: Downloading         [===============>              ]  5B/10B'
    >>> row({"id": "abc", "status": "Pull complete"}, 9)
    'abc: Pull'
    """
    text = f"{said['id']}: {said.get('status', '')}"
    detail = said.get("progressDetail") or {}
    current, total = detail.get("current", 0), detail.get("total", 0)
    if total:
        done = min(BAR - 1, current * BAR // total)
        numbers = f"{decimal_size(current)}/{decimal_size(total)}"
        text = f"{text:<25}[{'=' * done}>{' ' * (BAR - 1 - done)}]  {numbers}"
    elif current:
        text = f"{text:<25}{decimal_size(current)}"
    return text[:width] if width else text


class Display:
    """Takes messages one by one. On a terminal the layers' lines stand below each other and are written over.

    >>> out = []
    >>> shown = Display(out.append, rows=0, columns=0)
    >>> for status in ("Pulling fs layer", "Downloading", "Pull complete"):
    ...     detail = {"current": 1, "total": 2} if status == "Downloading" else {}
    ...     shown.take({"id": "abc", "status": status, "progressDetail": detail})
    >>> "".join(out)
    'abc: Pulling fs layer\\nabc: Pull complete\\n'
    """

    def __init__(self, write: Callable[[str], object], rows: int, columns: int) -> None:
        self._write, self._rows, self._columns = write, rows, columns
        self._lines: dict[str, int] = {}  # id -> its line, counted from the first since the last plain one

    def take(self, said: dict[str, Any]) -> None:
        """Raises Failure for an error."""
        if said.get("error"):
            raise Failure(said["error"], 1)
        if "stream" in said:
            self._plain(said["stream"].rstrip("\n"))
        elif not said.get("status"):
            return
        elif "id" not in said or "progressDetail" not in said:
            self._plain(f"{said['id']}: {said['status']}" if said.get("id") else said["status"])
        elif self._columns:
            self._layer(said)
        elif not said.get("progressDetail"):
            self._write(row(said, 0) + "\n")

    def _plain(self, text: str) -> None:
        self._lines.clear()
        self._write(text + "\n")

    def _layer(self, said: dict[str, Any]) -> None:
        text = row(said, self._columns - 1)
        if said["id"] not in self._lines:
            self._lines[said["id"]] = len(self._lines)
            self._write(text + "\n")
            return
        up = len(self._lines) - self._lines[said["id"]]
        if up < self._rows:  # what has left the top of the screen cannot be written over
            self._write(f"\033[{up}A\r\033[K{text}\033[{up}B\r")


def show(reply: Reply, *, quiet: bool = False, fd: int = 1) -> dict[str, Any]:
    """Draws a stream of messages; the last `aux` of it. Failure if one is an error."""
    stream = sys.stdout if fd == 1 else sys.stderr
    rows, columns = terminal.size(fd) if terminal.is_terminal(fd) else (0, 0)
    display = Display((lambda text: None) if quiet else stream.write, rows, columns)
    aux: dict[str, Any] = {}
    for line in reply.lines():
        said = json.loads(line)
        aux = said.get("aux") or aux
        display.take(said)
        stream.flush()
    return aux

"""A plain client of the Docker API over one unix socket connection that is kept."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class Api(http.client.HTTPConnection):
    """Not for use by several threads at once: each takes an `Api` of its own."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=120)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The decoded answer; None if it is empty.

        :raises RuntimeError: the status is an error; with the daemon's words.
        """
        data = None if body is None else json.dumps(body)
        self.request(method, f"/v1.41{path}", data, {"Content-Type": "application/json"})
        answer = self.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
        return json.loads(content) if content else None

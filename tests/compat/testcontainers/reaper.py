"""A stand-in for Ryuk, run inside a container: it removes what a test session leaves.

It listens on port 8080. A session connects and sends lines of filters (`label=KEY=VALUE&label=…`), each answered with
ACK; when its connection ends it is over, and every container with one of its labels is removed through the Docker
socket that is mounted at /var/run/docker.sock.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from urllib.parse import parse_qsl, quote


class Docker(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/run/docker.sock")


def ask(method: str, path: str) -> bytes:
    """One request; the body of its answer."""
    docker = Docker("docker")
    docker.request(method, path)
    body = docker.getresponse().read()
    docker.close()
    return body


def reap(label: str) -> None:
    """Remove every container with the label, except ourselves: our own host name is our id."""
    filters = quote(json.dumps({"label": [label]}))
    for container in json.loads(ask("GET", f"/v1.41/containers/json?all=1&filters={filters}")):
        if not container["Id"].startswith(socket.gethostname()):
            ask("DELETE", f"/v1.41/containers/{container['Id']}?force=1&v=1")
            print("removed", container["Id"], flush=True)


def main() -> None:
    print("the daemon answers:", ask("GET", "/_ping").decode(), flush=True)
    with socket.create_server(("0.0.0.0", 8080)) as server:
        print("reaper: Started!", flush=True)
        session, _ = server.accept()
    labels = []
    # A session that crashed with our ACK unread ends by a reset.
    with session, session.makefile("r") as lines, contextlib.suppress(ConnectionError):
        for line in lines:
            labels += [value for name, value in parse_qsl(line.strip()) if name == "label"]
            session.sendall(b"ACK\n")
    for label in labels:
        reap(label)


if __name__ == "__main__":
    main()

"""What runs in pods of the tests, on the interpreter of `python_image`: a server that tells who it is, and questions.

It is no module of the tests: it is copied into an image, where only the standard library is.
"""

from __future__ import annotations

import http.server
import os
import signal
import socket
import sys
import threading

RECORDED: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    """`/hostname`, `/client` (whom we see), `/recorded` (what was asked for below `/record/`)."""

    def do_GET(self) -> None:
        if self.path.startswith("/record/"):
            RECORDED.append(self.path.removeprefix("/record/"))
        found = {"/client": self.client_address[0], "/recorded": " ".join(RECORDED)}
        body = found.get(self.path, socket.gethostname()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def serve(*ports: str) -> None:
    """HTTP and UDP on each of the ports."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for port in map(int, ports):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("0.0.0.0", port))
        threading.Thread(target=_echo, args=(datagrams,), daemon=True).start()
        server = http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


def _echo(datagrams: socket.socket) -> None:
    while True:
        _, sender = datagrams.recvfrom(1500)
        datagrams.sendto(socket.gethostname().encode(), sender)


def ask(kind: str, host: str, port: str, times: str = "1", path: str = "/hostname", source: str = "") -> None:
    """A line for each answer; the error's name where there is none. `source`: the address to ask from."""
    for _ in range(int(times)):
        try:
            print((_udp if kind == "udp" else _http)(host, int(port), path, source))
        except OSError as error:
            print(type(error).__name__)


def _http(host: str, port: int, path: str, source: str) -> str:
    with socket.create_connection((host, port), 3, (source, 0) if source else None) as wire:
        wire.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while data := wire.recv(4096):
            answer += data
    return answer.partition(b"\r\n\r\n")[2].decode()


def _udp(host: str, port: int, _: str, source: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(2)
        wire.bind((source, 0))
        wire.connect((host, port))
        wire.send(b"?")
        return wire.recv(1500).decode()


def names(how: str, *hosts: str) -> None:
    """The addresses of each name, by the resolver of the C library; over TCP where `how` says so."""
    if how == "tcp":
        os.environ["RES_OPTIONS"] = "use-vc"
    for host in hosts:
        try:
            found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
            print(" ".join(sorted({str(one[4][0]) for one in found})))
        except OSError as error:
            print(type(error).__name__)


if __name__ == "__main__":
    {"serve": serve, "ask": ask, "names": names}[sys.argv[1]](*sys.argv[2:])

"""What runs inside a network namespace for `bench.networks`: a server, and clients that print one JSON object.

It is run as a script, for a namespace is entered by a process: `python traffic.py dns 127.0.0.11 web 2000`.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Callable
from statistics import median

AT_ONCE = 16  # queries that are on their way together
TRANSFERS = 4
CHUNK = bytes(1 << 20)


def question(number: int, name: str) -> bytes:
    """
    >>> question(7, "web")
    b'\\x00\\x07\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x03web\\x00\\x00\\x01\\x00\\x01'
    """
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def _check(answer: bytes, name: str) -> None:
    code, found = answer[3] & 15, int.from_bytes(answer[6:8], "big")
    if code or not found:
        raise SystemExit(f"{name}: code {code}, {found} answers")


def dns(server: str, names: str, count: str) -> dict[str, float]:
    """Latency of one query after another, and the rate with AT_ONCE on their way. `names` have commas between."""
    asked = names.split(",")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(10)
        asker.connect((server, 53))
        times = []
        for number in range(int(count) // 4):
            begin = time.perf_counter()
            asker.send(question(number, asked[number % len(asked)]))
            _check(asker.recv(512), asked[number % len(asked)])
            times.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        for number in range(int(count) + AT_ONCE):
            if number < int(count):
                asker.send(question(number, asked[number % len(asked)]))
            if number >= AT_ONCE:
                asker.recv(512)
        return {"latency": median(times), "rate": int(count) / (time.perf_counter() - begin)}


def serve(port: str) -> None:
    """Sends as many megabytes as the caller's first four bytes say, then closes. "ready" when it listens."""
    with socket.create_server(("", int(port)), backlog=512) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                for _ in range(int.from_bytes(connection.recv(4), "big")):
                    connection.sendall(CHUNK)


def fetch(host: str, port: str, mb: str, connections: str) -> dict[str, float]:
    """MB/s of the best of several transfers (what else runs only slows them), and connections per second."""
    address = (host, int(port))
    quickest = min(_seconds(lambda: _fetch(address, int(mb))) for _ in range(TRANSFERS))
    opened = sum(_seconds(lambda: _fetch(address, 0)) for _ in range(int(connections)))
    return {"throughput": int(mb) * len(CHUNK) / 1e6 / quickest, "connections": int(connections) / opened}


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _fetch(address: tuple[str, int], mb: int) -> None:
    buffer, missing = bytearray(1 << 18), mb * len(CHUNK)
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(mb.to_bytes(4, "big"))
        while got := connection.recv_into(buffer):
            missing -= got
    if missing:
        raise SystemExit(f"{missing} bytes are missing")


VERBS: dict[str, Callable[..., object]] = {"dns": dns, "serve": serve, "fetch": fetch}

if __name__ == "__main__":
    print(json.dumps(VERBS[sys.argv[1]](*sys.argv[2:])))

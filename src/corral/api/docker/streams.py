"""Standard output and error on one connection: frames, and the content types that announce them.

A frame is one byte that names the stream (0 stdin, 1 stdout, 2 stderr, 3 an error of the daemon's), three zero
bytes, four bytes of length in network order, and the data. A terminal has one stream only: no frames.
"""

from __future__ import annotations

import struct
from typing import Final

STDOUT: Final = 1
STDERR: Final = 2
SYSTEM_ERROR: Final = 3
RAW: Final = "application/vnd.docker.raw-stream"
MULTIPLEXED: Final = "application/vnd.docker.multiplexed-stream"
_HEAD: Final = struct.Struct(">BxxxI")


def frame(stream: int, data: bytes) -> bytes:
    """Pure.

    >>> frame(STDERR, b"no")
    b'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x02no'
    """
    return _HEAD.pack(stream, len(data)) + data


def content_type(version: tuple[int, int], multiplexed: bool) -> str:
    """Pure: what announces the stream; frames have a name of their own since 1.42.

    >>> content_type((1, 51), True), content_type((1, 41), True)
    ('application/vnd.docker.multiplexed-stream', 'application/vnd.docker.raw-stream')
    """
    return MULTIPLEXED if multiplexed and version >= (1, 42) else RAW


def hijack_head(version: tuple[int, int], multiplexed: bool, upgrade: bool) -> tuple[int, str, dict[str, str]]:
    """Pure: (status, reason, headers) with which a connection becomes a stream.

    >>> hijack_head((1, 51), True, False)
    (200, 'OK', {'Content-Type': 'application/vnd.docker.raw-stream'})
    >>> hijack_head((1, 41), False, True)[:2]
    (101, 'UPGRADED')
    """
    if not upgrade:
        return 200, "OK", {"Content-Type": RAW}
    headers = {"Content-Type": content_type(version, multiplexed), "Connection": "Upgrade", "Upgrade": "tcp"}
    return 101, "UPGRADED", headers

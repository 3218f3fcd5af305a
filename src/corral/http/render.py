"""Writing answers, without I/O: heads and chunks as bytes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

REASONS: Final = {
    100: "Continue",
    101: "Switching Protocols",
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    304: "Not Modified",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    410: "Gone",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=4)  # thousands of answers are of the same second
def http_date(seconds: int) -> str:
    """Pure: a time as HTTP writes it, in English whatever the locale.

    >>> http_date(784111777)
    'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    t = time.gmtime(seconds)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon]
    return f"{day}, {t.tm_mday:02} {month} {t.tm_year} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"


def response_head(status: int, headers: Mapping[str, str], reason: str = "") -> bytes:
    """Pure: a status line and headers. A line break inside a header's value becomes a space: no header can be forged.

    >>> response_head(404, {"Content-Length": "0"})
    b'HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n'
    """
    lines = [f"HTTP/1.1 {status} {reason or REASONS.get(status, 'Unknown')}"]
    for name, value in headers.items():
        if "\r" in value or "\n" in value:
            value = value.replace("\r", " ").replace("\n", " ")
        lines.append(f"{name}: {value}")
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Pure: one piece in chunked encoding.

    >>> chunk(b"hello")
    b'5\\r\\nhello\\r\\n'
    """
    return b"%x\r\n%b\r\n" % (len(data), data)


def bodyless(status: int) -> bool:
    """Pure: whether an answer of this status never has a body."""
    return status < 200 or status in (204, 304)


def keep_alive_headers(version: str, keep: bool) -> dict[str, str]:
    """Pure: what must be said about the connection's future: only what differs from the version's default.

    >>> keep_alive_headers("1.1", True), keep_alive_headers("1.1", False), keep_alive_headers("1.0", True)
    ({}, {'Connection': 'close'}, {'Connection': 'keep-alive'})
    """
    if version == "1.1":
        return {} if keep else {"Connection": "close"}
    return {"Connection": "keep-alive"} if keep else {}

"""The head of a request: its first line and its headers, read by httptools (llhttp) and checked."""

from __future__ import annotations

import httptools


class BadRequest(Exception):
    """The bytes are no acceptable request; `status` is what to answer before closing."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Head:
    """A request line and its headers. `length` is None for a chunked body. Header names are in lower case.

    `repeated`: the values, one by one, of those headers that came more than once.
    """

    __slots__ = ("headers", "keep_alive", "length", "method", "repeated", "target", "version")

    def __init__(
        self,
        method: str,
        target: str,
        version: str,
        headers: dict[str, str],
        keep_alive: bool,
        length: int | None,
        repeated: dict[str, list[str]] | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.keep_alive = keep_alive
        self.length = length
        self.repeated = repeated or {}


class _Collector:
    """The callbacks of httptools."""

    __slots__ = ("headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))


def parse_head(data: bytes) -> Head:
    """Pure: the bytes up to and including the empty line, as a Head. Raises BadRequest."""
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserInvalidMethodError:
        raise BadRequest(400, "invalid method") from None
    except httptools.HttpParserError as error:
        raise BadRequest(400, str(error)) from None
    version = parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise BadRequest(505, "unsupported protocol version")
    headers = _join(collector.headers)
    if version == "1.1" and "host" not in headers:
        raise BadRequest(400, "missing required Host header")
    return Head(
        parser.get_method().decode("ascii"),
        collector.target.decode("latin-1"),
        version,
        headers,
        _keeps_alive(version, headers.get("connection", "")),
        _body_length(headers),
        _repeated(collector.headers) if len(headers) < len(collector.headers) else None,
    )


def _keeps_alive(version: str, connection: str) -> bool:
    """Pure: whether the client wants to use the connection again.

    The parser's own answer is of no use: once a message is complete it has forgotten the headers.

    >>> _keeps_alive("1.1", ""), _keeps_alive("1.1", "Close"), _keeps_alive("1.0", "")
    (True, False, False)
    """
    tokens = {token.strip().lower() for token in connection.split(",")} if connection else set()
    return "close" not in tokens and (version == "1.1" or "keep-alive" in tokens)


def _join(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Pure: headers by lower-case name; repeated ones are joined with a comma.

    >>> _join([(b"Accept", b"a"), (b"accept", b"b")])
    {'accept': 'a, b'}
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _repeated(pairs: list[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    """Pure: the values of headers that came more than once: one of them may have a comma of its own.

    >>> _repeated([(b"Accept", b"a"), (b"Impersonate-Group", b"x, y"), (b"impersonate-group", b"z")])
    {'impersonate-group': ['x, y', 'z']}
    """
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {name: values for name, values in found.items() if len(values) > 1}


def _body_length(headers: dict[str, str]) -> int | None:
    """Pure: the body's length in bytes, or None for chunked. Ambiguous framing is refused, never guessed.

    >>> _body_length({"content-length": "5"}), _body_length({"transfer-encoding": "Chunked"}), _body_length({})
    (5, None, 0)
    """
    encoding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if encoding is not None:
        if length is not None:
            raise BadRequest(400, "both Content-Length and Transfer-Encoding")
        if encoding.strip().lower() != "chunked":
            raise BadRequest(501, "unsupported transfer encoding")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise BadRequest(400, "bad Content-Length")
    return int(length)

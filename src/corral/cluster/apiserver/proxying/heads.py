"""The heads of what goes through a proxy. Pure: which headers are handed on, both ways.

Follows RFC 9110, 7.6.1 (what is about one connection is not handed on) and upstream's proxy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

ABOUT_CONNECTION: Final = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)
_CREDENTIALS: Final = frozenset(("authorization", "impersonate-user", "impersonate-group", "impersonate-uid"))
_TOKEN: Final = "base64url.bearer.authorization.k8s.io."

Pairs = list[tuple[str, str]]


def _named_by_connection(value: str) -> set[str]:
    return {word.strip().lower() for word in value.split(",")}


def request_head(
    method: str,
    path: str,
    headers: Mapping[str, str],
    *,
    host: str,
    added: Iterable[tuple[str, str]] = (),
    upgrade: bool,
) -> bytes:
    """Pure: the head of a request as who is behind gets it. Who the user is stays here, but for what is `added`.

    >>> request_head("GET", "/x", {"host": "api", "authorization": "Bearer t", "accept": "*/*"},
    ...              host="10.1.0.5", upgrade=False)
    b'GET /x HTTP/1.1\\r\\nHost: 10.1.0.5\\r\\nConnection: close\\r\\naccept: */*\\r\\n\\r\\n'
    """
    dropped = ABOUT_CONNECTION | _CREDENTIALS | {"host", "expect"} | _named_by_connection(headers.get("connection", ""))
    pairs = [("Host", host), ("Connection", "Upgrade" if upgrade else "close")]
    if upgrade:
        pairs.append(("Upgrade", headers["upgrade"]))
    for name, value in headers.items():
        if name in dropped or name.startswith(("impersonate-extra-", "x-remote-")):
            continue
        if name == "sec-websocket-protocol":
            kept = [one.strip() for one in value.split(",") if not one.strip().startswith(_TOKEN)]
            value = ", ".join(kept)
        pairs.append((name, value))
    if "transfer-encoding" in headers:
        pairs.append(("Transfer-Encoding", "chunked"))
    pairs += added
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"


def answer_headers(pairs: Pairs, *, prefix: str, hosts: Iterable[str], upgrade: bool = False) -> dict[str, str]:
    """Pure: an answer's headers as the client gets them. A `Location` of the pod's leads through the proxy again.

    A name stands in a dictionary once: a header that must not be joined is repeated in other letters.

    >>> answer_headers([("Location", "/login"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], prefix="/p", hosts=())
    {'Location': '/p/login', 'Set-Cookie': 'a=1', 'set-Cookie': 'b=2'}
    """
    connection = ",".join(value for name, value in pairs if name.lower() == "connection")
    dropped = ABOUT_CONNECTION | _named_by_connection(connection)
    found: dict[str, str] = {}
    for name, value in pairs:
        if name.lower() in dropped and not (upgrade and name.lower() in ("connection", "upgrade")):
            continue
        if name.lower() == "location":
            value = through(value, prefix, hosts)
        if name.lower() == "set-cookie":
            found[unused(found, "Set-Cookie")] = value
        else:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def unused(found: Mapping[str, str], name: str) -> str:
    """The name in letters that no other has."""
    for number in range(1 << len(name)):
        spelled = "".join(char.swapcase() if number >> at & 1 else char for at, char in enumerate(name))
        if spelled not in found:
            return spelled
    return name


def through(location: str, prefix: str, hosts: Iterable[str]) -> str:
    """Pure: a redirect of the pod's to itself, as a path below the proxy's; any other as it is.

    >>> through("http://10.1.0.5:80/a?b", "/p", ["10.1.0.5:80"]), through("https://example.org/", "/p", [])
    ('/p/a?b', 'https://example.org/')
    """
    parts = urlsplit(location)
    if parts.netloc and parts.netloc not in hosts:
        return location
    if not parts.netloc and not parts.path.startswith("/"):
        return location
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{prefix}{parts.path or '/'}{query}{fragment}"

"""The front proxy: whoever has its certificate says in headers for whom it speaks (API aggregation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.authentication import headers
from corral.cluster.apiserver.authentication.certificate import check
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.certificates.x509 import Certificate

if TYPE_CHECKING:
    from corral.http.message import Request

USER: Final = "x-remote-user"
UID: Final = "x-remote-uid"
GROUP: Final = "x-remote-group"
EXTRA: Final = "x-remote-extra-"


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """`allowed`: the common names of those who may speak for others; empty: all that `authority` has signed for."""

    authority: Certificate
    allowed: tuple[str, ...] = ("front-proxy-client",)


def user_of(request: Request, proxy: FrontProxy, now: int) -> User | None:
    """Who the proxy says it is; None when the request has no such headers or no certificate. BadCredentials."""
    if USER not in request.headers or not request.peer_certificate:
        return None
    name = check(request.peer_certificate, proxy.authority, now).common_name
    if proxy.allowed and name not in proxy.allowed:
        raise BadCredentials(f"x509: subject with cn={name} is not in the allowed list")
    return read_headers(request)


def read_headers(request: Request) -> User | None:
    """Pure: the user that the headers name."""
    name = next((one for one in headers.values(request, USER) if one), "")
    if not name:
        return None
    groups = tuple(one for one in headers.values(request, GROUP) if one)
    return User(name, headers.value(request, UID), groups, headers.extras(request, EXTRA))


def headers_of(user: User) -> list[tuple[str, str]]:
    """Pure: what this server sends to an extension API server, for `user`.

    >>> headers_of(User("jane", "", ("dev",), {"example.org/Team": ("a",)}))
    [('X-Remote-User', 'jane'), ('X-Remote-Group', 'dev'), ('X-Remote-Extra-Example.org%2fteam', 'a')]
    """
    found = [("X-Remote-User", user.name)]
    if user.uid:
        found.append(("X-Remote-Uid", user.uid))
    found += [("X-Remote-Group", group) for group in user.groups]
    for key, values in user.extra.items():
        found += [(f"X-Remote-Extra-{_header_key(key).capitalize()}", value) for value in values]
    return found


_TOKEN: Final = frozenset("!#$&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def _header_key(key: str) -> str:
    return "".join(chr(byte) if chr(byte) in _TOKEN else f"%{byte:02x}" for byte in key.lower().encode())

"""Headers that name users: proxies and those who act as others send them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from corral.http.message import Request


def values(request: Request, name: str) -> tuple[str, ...]:
    """Each value of a header, as text: names are UTF-8, whatever HTTP says of headers."""
    return tuple(text(one) for one in request.values(name))


def value(request: Request, name: str) -> str:
    """The first value; "" when there is none."""
    return next(iter(values(request, name)), "")


def extras(request: Request, prefix: str) -> dict[str, tuple[str, ...]]:
    """What header names below `prefix` say: the rest of the name is a key, percent-encoded where it must be."""
    found: dict[str, tuple[str, ...]] = {}
    for name in request.headers:
        if name.startswith(prefix):
            key = unquote(text(name.removeprefix(prefix)), errors="replace")
            found[key] = (*found.get(key, ()), *values(request, name))
    return found


def text(raw: str) -> str:
    """
    >>> text("jan\\u00c3\\u00a9"), text("jan\\u00e9")
    ('jan\u00e9', 'jan\u00e9')
    """
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw

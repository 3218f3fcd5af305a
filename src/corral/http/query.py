"""The parameters of a request."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

FALSE_WORDS: Final = frozenset(("", "0", "no", "false", "none"))


class Query:
    """The parameters behind the question mark; a name may come several times.

    >>> q = Query("all=1&tail=&f=a&f=b%20c")
    >>> q.flag("all"), q.flag("tail"), q.flag("size"), q.get("tail", "all"), q.all("f")
    (True, False, False, '', ['a', 'b c'])
    """

    __slots__ = ("values",)

    def __init__(self, text: str = "") -> None:
        self.values: dict[str, list[str]] = {}
        if text:
            for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
                self.values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, default: str = "") -> str:
        """The first value, or the default when the name did not come at all."""
        found = self.values.get(name)
        return found[0] if found else default

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def flag(self, name: str, default: bool = False) -> bool:
        """A switch: "", "0", "no", "false" and "none" are off, anything else is on; `default` when it did not come."""
        if name not in self.values:
            return default
        return self.get(name).strip().lower() not in FALSE_WORDS

"""Flags: `--name=value` before an instruction's words. Pure."""

from __future__ import annotations

from typing import Literal

from corral.build.dockerfile.suggest import did_you_mean
from corral.build.request import BuildFailed

Kind = Literal["bool", "text", "texts"]


class Flags:
    """What was given, by name."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def text(self, name: str, default: str = "") -> str:
        return self._found.get(name, [default])[-1]

    def texts(self, name: str) -> list[str]:
        return self._found.get(name, [])

    def true(self, name: str) -> bool:
        return self.maybe(name) or False

    def maybe(self, name: str) -> bool | None:
        """None if it was not given."""
        return self._found[name][-1] == "true" if name in self._found else None

    def add(self, name: str, value: str) -> None:
        self._found.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._found


def parse_flags(words: list[str], known: dict[str, Kind]) -> Flags:
    """
    >>> flags = parse_flags(["--link", "--from=a"], {"from": "text", "link": "bool"})
    >>> flags.true("link"), flags.text("from")
    (True, 'a')
    >>> parse_flags(["--form=a"], {"from": "text"})
    Traceback (most recent call last):
    corral.build.request.BuildFailed: unknown flag: --form (did you mean from?)
    """
    found = Flags()
    for word in words:
        name, equals, value = word[2:].partition("=")
        kind = known.get(name)
        if kind is None:
            raise BuildFailed(f"unknown flag: --{name}{did_you_mean(name, known)}")
        if name in found and kind != "texts":
            raise BuildFailed(f"duplicate flag specified: --{name}")
        found.add(name, _value(name, kind, value, bool(equals)))
    return found


def _value(name: str, kind: Kind, value: str, given: bool) -> str:
    if kind != "bool":
        if not given:
            raise BuildFailed(f"missing a value on flag: --{name}")
        return value
    if given and not value:
        raise BuildFailed(f"missing a value on flag: --{name}")
    if value.lower() not in ("", "true", "false"):
        raise BuildFailed(f"expecting boolean value for flag --{name}, not: {value}")
    return value.lower() or "true"

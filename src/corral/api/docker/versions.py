"""The versions of the API: what is spoken, and what a client in another version is told."""

from __future__ import annotations

import re
from typing import Final

from corral.errors import InvalidInput

OLDEST: Final = (1, 24)
NEWEST: Final = (1, 51)
_PREFIX = re.compile(r"/v([0-9.]+)(/.*)", re.DOTALL)


def split_version(path: str) -> tuple[str, str]:
    """Pure: (version, rest) of a path; the version is "" where the path has none.

    >>> split_version("/v1.41/info"), split_version("/info"), split_version("/version")
    (('1.41', '/info'), ('', '/info'), ('', '/version'))
    """
    found = _PREFIX.fullmatch(path)
    return (found[1], found[2]) if found else ("", path)


def parse_version(text: str) -> tuple[int, ...]:
    """Pure: a version as numbers that compare; what is no number counts as 0.

    >>> parse_version("1.41"), parse_version("1."), parse_version("2")
    ((1, 41), (1, 0), (2,))
    """
    return tuple(int(part) if part.isdigit() and len(part) < 10 else 0 for part in text.split("."))


def show(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def check_version(text: str) -> None:
    """Raises InvalidInput, in dockerd's words, for a version that is not spoken.

    >>> check_version("1.99")
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: client version 1.99 is too new. Maximum supported API version is 1.51
    """
    version = parse_version(text)
    if version < OLDEST:
        raise InvalidInput(
            f"client version {text} is too old. Minimum supported API version is {show(OLDEST)}, "
            "please upgrade your client to a newer version"
        )
    if version > NEWEST:
        raise InvalidInput(f"client version {text} is too new. Maximum supported API version is {show(NEWEST)}")

"""Identifiers: 64 hexadecimal digits, and the names people see."""

from __future__ import annotations

import os


def new_id() -> str:
    """A random id of 64 lower-case hexadecimal digits, never all digits in its first twelve.

    The short form must not read as a number: tools take such a host name for one.
    """
    while True:
        value = os.urandom(32).hex()
        if not value[:12].isdigit():
            return value


def short(identifier: str) -> str:
    """The first twelve digits, without a digest's algorithm.

    >>> short("sha256:0123456789abcdef")
    '0123456789ab'
    """
    return identifier.rpartition(":")[2][:12]

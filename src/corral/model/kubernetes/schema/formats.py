"""Formats of text that schemas name, and whether a text has one. What is not here is not checked, as upstream does."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable
from datetime import date

from corral.model.kubernetes.schema import scalars

_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[^@\s]+")
_HOSTNAME = re.compile(
    r"(?=.{1,255}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_MAC = re.compile(r"([0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(\2[0-9A-Fa-f]{2}){4}(\2[0-9A-Fa-f]{2}){0,2})")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")
_DURATION = re.compile(r"[-+]?(0|([0-9]*\.?[0-9]+(ns|us|µs|μs|ms|s|m|h))+)|[0-9]+ *[a-zµ]+")


def fits(text: str, name: str) -> bool:
    """Pure.

    >>> fits("10.0.0.1", "ipv4"), fits("10.0.0.1", "ipv6"), fits("x", "no-such-format")
    (True, False, True)
    """
    checker = _CHECKS.get(name)
    return checker is None or checker(text)


def _works(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def tried(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return tried


def _uuid(version: int | None = None) -> Callable[[str], bool]:
    def checked(text: str) -> bool:
        if not re.fullmatch(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", text):
            return False
        return version is None or uuid.UUID(text).version == version

    return checked


_CHECKS: dict[str, Callable[[str], bool]] = {
    "date-time": _works(scalars.moment),
    "datetime": _works(scalars.moment),
    "date": lambda text: len(text) == 10 and _works(date.fromisoformat)(text),
    "ipv4": _works(ipaddress.IPv4Address),
    "ipv6": _works(ipaddress.IPv6Address),
    "cidr": lambda text: "/" in text and _works(ipaddress.ip_interface)(text),
    "mac": lambda text: bool(_MAC.fullmatch(text)),
    "email": lambda text: bool(_EMAIL.fullmatch(text)),
    "hostname": lambda text: bool(_HOSTNAME.fullmatch(text)),
    "uri": lambda text: bool(_URI.fullmatch(text)),
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "byte": _works(lambda text: base64.b64decode(text, validate=True)),
    "uuid": _uuid(),
    "uuid3": _uuid(3),
    "uuid4": _uuid(4),
    "uuid5": _uuid(5),
}

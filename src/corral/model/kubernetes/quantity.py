"""Quantities: `500m`, `1Gi`, `12e6`. Follows k8s.io/apimachinery/pkg/api/resource.

A quantity is an exact number of billionths: what is smaller is rounded up (away from zero) when it is read, as
upstream does. So all arithmetic is that of whole numbers. Three ways to write one are told apart, and a sum is written
as its first part was: decimal suffixes (1k), binary suffixes (1Ki), exponents (1e3).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field, replace
from typing import Any

from corral.errors import CorralError

DECIMAL, BINARY, EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"

_DECIMALS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARIES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMALS.items()}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARIES.items()}
_NANO = 10**9
_LARGEST_BINARY = (2**63 - 1) * _NANO
_MOST_DIGITS = 1000  # more are an attack: turning text into a number takes the square of its length

FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMERIC = "unable to parse numeric part of quantity"
SUFFIX = "unable to parse quantity's suffix"

_SPLIT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")


class NoQuantity(CorralError):
    """A text that is no quantity; the message is upstream's."""


@functools.total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """`nanos` is the value in billionths. Equal quantities may be written differently: 1000m == 1."""

    nanos: int
    format: str = DECIMAL
    written: str = field(default="", repr=False)  # what it was read from, if that is canonical

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __bool__(self) -> bool:
        return self.nanos != 0

    def __add__(self, other: Quantity) -> Quantity:
        """
        >>> str(parse("1Gi") + parse("1G")), str(parse("0") + parse("1Gi"))
        ('2073741824', '1Gi')
        """
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return self + -other

    def __neg__(self) -> Quantity:
        return replace(self, nanos=-self.nanos, written="")

    def __str__(self) -> str:
        return self.written or canonical(self.nanos, self.format)

    def ceil(self) -> int:
        """The value as a whole number, rounded away from zero (upstream's Value)."""
        return _up(self.nanos, _NANO)

    def milli(self) -> int:
        """The value in thousandths, rounded away from zero (upstream's MilliValue)."""
        return _up(self.nanos, 10**6)


def of(value: int, format: str = DECIMAL) -> Quantity:
    return Quantity(value * _NANO, format)


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Quantity:
    """Pure: the quantity that a text stands for; raises NoQuantity.

    >>> [str(parse(one)) for one in ("0.5", "1024Ki", "1500m", "0.1n", "1e3", "1.5Gi", "100000")]
    ['500m', '1Mi', '1500m', '1n', '1e3', '1536Mi', '100k']
    """
    if len(text) > 2 * _MOST_DIGITS:
        raise NoQuantity(NUMERIC)  # and nothing so long is kept in the cache
    split = _SPLIT.fullmatch(text)
    if not text or split is None:
        raise NoQuantity(FORMAT)
    sign, whole, part, suffix = split[1], split[2].lstrip("0") or "0", split[3] or "", split[4]
    format, exponent = _interpret(suffix)
    if len(whole) + len(part) > _MOST_DIGITS:
        raise NoQuantity(NUMERIC)
    nanos, shown = _value(int(whole + part), len(part), format, exponent)
    kept = text if _is_canonical(whole, part, format, exponent) else ""
    return Quantity(-nanos if sign == "-" else nanos, shown, kept)


def of_json(value: Any) -> Quantity:
    """Pure: the quantity of a JSON text or number (null is zero); raises NoQuantity.

    >>> str(of_json(0.25)), str(of_json(" 2 ")), str(of_json(None))
    ('250m', '2', '0')
    """
    if value is None:
        return Quantity(0)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NoQuantity(FORMAT)
    if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
        raise NoQuantity(NUMERIC)
    return parse(value.strip() if isinstance(value, str) else repr(value))


def is_quantity(value: Any) -> bool:
    try:
        of_json(value)
    except NoQuantity:
        return False
    return True


def canonical(nanos: int, format: str) -> str:
    """Pure: the shortest way to write a value that loses nothing; binary suffixes only from 1024 on.

    >>> canonical(2048 * 10**9, BINARY), canonical(1000 * 10**9, BINARY), canonical(1500 * 10**9, EXPONENT)
    ('2Ki', '1k', '1500')
    """
    if not nanos:
        return "0"
    if format == BINARY and abs(nanos) >= 1024 * _NANO and not nanos % _NANO:
        number, power = _without(nanos // _NANO, 1024, len(_BINARIES))
        return f"{number}{_BINARY_SUFFIX.get(power, '')}"
    most = _MOST_DIGITS * 3 if format == EXPONENT else 18
    number, thousands = _without(nanos, 1000, (most + 9) // 3)
    exponent = thousands * 3 - 9
    if format == EXPONENT:
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL_SUFFIX[exponent]}"


def _interpret(suffix: str) -> tuple[str, int]:
    """The format, and the exponent of 10 (or of 1024)."""
    if suffix in _DECIMALS:
        return DECIMAL, _DECIMALS[suffix]
    if suffix in _BINARIES:
        return BINARY, _BINARIES[suffix]
    if not re.fullmatch(r"[eE][-+]?[0-9]{1,18}", suffix) or int(suffix[1:]) > _MOST_DIGITS:
        raise NoQuantity(SUFFIX)
    return EXPONENT, max(int(suffix[1:]), -3 * _MOST_DIGITS)


def _value(digits: int, places: int, format: str, exponent: int) -> tuple[int, str]:
    """Billionths, without a sign. A part of one that was written in binary is shown in decimals."""
    if format == BINARY:
        nanos = min(_up(digits * 1024**exponent * _NANO, 10**places), _LARGEST_BINARY)
        return nanos, DECIMAL if 0 < nanos < _NANO else BINARY
    shift = exponent - places + 9
    return (digits * 10**shift if shift >= 0 else _up(digits, 10**-shift)), format


def _is_canonical(whole: str, part: str, format: str, exponent: int) -> bool:
    """Whether upstream keeps the text as it was written (which lets "+5" and "05" through, too)."""
    digits = whole + part
    if format == BINARY:
        return not part and len(whole) + 3 * exponent <= 14 and int(whole) % 8 != 0
    scale = exponent - len(part)
    tidy = scale % 3 == 0 and not digits.endswith("000") and not digits.startswith("0")
    return tidy and len(digits) <= 18 and scale >= -9


def _without(number: int, factor: int, most: int) -> tuple[int, int]:
    """The number without a factor, and how often it was in it (`most` times at the most)."""
    times = 0
    while times < most and number % factor == 0:
        number, times = number // factor, times + 1
    return number, times


def _up(number: int, divisor: int) -> int:
    """A quotient, rounded away from zero."""
    quotient = -(-abs(number) // divisor)
    return -quotient if number < 0 else quotient

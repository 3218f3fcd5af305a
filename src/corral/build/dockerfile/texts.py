"""Texts: values as Go prints them, for an image's history and messages have its look. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from corral.model.container import HealthCheck

_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def quote(text: str) -> str:
    r"""`%q` of a string.

    >>> print(quote('a "b"\n\x00é'))
    "a \"b\"\n\x00é"
    """
    return '"' + "".join(_letter(letter) for letter in text) + '"'


def _letter(letter: str) -> str:
    code = ord(letter)
    if code in _ESCAPES:
        return _ESCAPES[code]
    if letter.isprintable():
        return letter
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted_list(words: Iterable[str]) -> str:
    """`%q` of a list.

    >>> quoted_list(["sh", "-c", "a b"])
    '["sh" "-c" "a b"]'
    """
    return f"[{' '.join(map(quote, words))}]"


def plain_list(words: Iterable[str]) -> str:
    """`%v` of a list.

    >>> plain_list(["80/tcp", "443/tcp"])
    '[80/tcp 443/tcp]'
    """
    return f"[{' '.join(words)}]"


def duration(nanoseconds: int) -> str:
    """
    >>> [duration(n) for n in (0, 1500, 250_000_000, 90_000_000_000, 3_600_000_000_000, 1_500_000_000)]
    ['0s', '1.5µs', '250ms', '1m30s', '1h0m0s', '1.5s']
    """
    if nanoseconds < 0:
        return "-" + duration(-nanoseconds)
    if nanoseconds < 10**9:
        scale, unit = next((s, u) for s, u in ((10**6, "ms"), (10**3, "µs"), (1, "ns")) if nanoseconds >= s or s == 1)
        return f"{_decimal(nanoseconds, scale)}{unit}" if nanoseconds else "0s"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    above = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{above}{_decimal(rest, 10**9)}s"


def _decimal(value: int, scale: int) -> str:
    whole, fraction = divmod(value, scale)
    digits = f"{fraction:0{len(str(scale)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)


def _rune(code: int) -> str:
    r"""`%q` of a number, which is a letter's to Go.

    >>> print(_rune(3), _rune(10), _rune(39), _rune(65))
    '\x03' '\n' '\'' 'A'
    """
    return "'" + {34: '"', 39: "\\'"}.get(code, _letter(chr(code)) if code <= 0x10FFFF else "\ufffd") + "'"


def health(check: HealthCheck) -> str:
    r"""`%q` of the pointer to it, as BuildKit and the classic builder have it: the retries are a letter.

    >>> print(health(HealthCheck(["CMD-SHELL", "true"], interval=30 * 10**9, retries=2)))
    &{["CMD-SHELL" "true"] "30s" "0s" "0s" "0s" '\x02'}
    """
    times = (check.interval, check.timeout, check.start_period, check.start_interval)
    return f"&{{{quoted_list(check.test)} {' '.join(quote(duration(time)) for time in times)} {_rune(check.retries)}}}"


_BOOLEANS = dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True)
_BOOLEANS |= dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False)


def boolean(text: str) -> bool | None:
    """What Go takes for true or false; None for anything else.

    >>> boolean("1"), boolean("False"), boolean("yes")
    (True, False, None)
    """
    return _BOOLEANS.get(text)

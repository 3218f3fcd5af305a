"""Objects as YAML, for who asks for it: written as Go's sigs.k8s.io/yaml does.

Its reader takes more texts for numbers, times and truth values than PyYAML's, so more strings are quoted.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final

import yaml

_WORDS: Final = frozenset(
    ("", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "true", "True", "TRUE",
     "false", "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF")
)  # fmt: skip
_NUMBER: Final = re.compile(
    r"""[-+]?(
        0[xX][0-9a-fA-F]+ | 0[oO]?[0-7]+ | 0[bB][01]+        # 0x1F, 017
      | (\.[0-9]+ | [0-9]+(\.[0-9]*)?) ([eE][-+]?[0-9]+)?    # 1, .5, 1e3
      | [0-9]+ (:[0-5]?[0-9])+ (\.[0-9]*)?                   # 1:30, in sixties
      | \.(inf|Inf|INF)
    )|\.(nan|NaN|NAN)""",
    re.VERBOSE | re.ASCII,
)
_STRING: Final = "tag:yaml.org,2002:str"
_DIGITS: Final = re.compile("[0-9]+")
_CLOCK: Final = r"[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?"
_TIME: Final = re.compile(
    rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}([Tt]{_CLOCK}(Z|[-+][0-9]{{2}}:[0-9]{{2}})|[ ]{_CLOCK})?", re.ASCII
)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Which strings are quoted is decided here alone: for the library, all that is plain is a string."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


def _plain(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar(_STRING, text)


def _string(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value else '"' if _means_else(value) else None
    return dumper.represent_scalar(_STRING, value, style)


def _means_else(value: str) -> bool:
    """Pure: whether it would be read as something else than a string.

    >>> [_means_else(one) for one in ("1", "1_0", "0x1f", "on", "1.5e3", "12:30", "2026-01-02T03:04:05Z", "")]
    [True, True, True, True, True, True, True, True]
    >>> [_means_else(one) for one in ("a", "1.2.3", "10Mi", "10.0.0.1", "-", "sha256:12", "2026-01")]
    [False, False, False, False, False, False, False]
    """
    if value in _WORDS:
        return True
    number = not value.startswith("_") and _NUMBER.fullmatch(value.replace("_", ""))
    return bool(number or _TIME.fullmatch(value))


def _shortest(value: float) -> str:
    """Pure: a number as %g with as few digits as it takes.

    >>> [_shortest(one) for one in (1.0, 0.25, 123456.5, 1000000.0, 1.5e-7)]
    ['1', '0.25', '123456.5', '1e+06', '1.5e-07']
    """
    found = Decimal(repr(value)).normalize()
    exponent = found.adjusted()
    if -5 < exponent < 6:
        return f"{found:f}"
    return f"{found.scaleb(-exponent):f}e{exponent:+03d}"


def _mapping(dumper: Any, value: Mapping[str, Any]) -> Any:
    rank = functools.cmp_to_key(_order)
    return dumper.represent_mapping("tag:yaml.org,2002:map", sorted(value.items(), key=lambda pair: rank(pair[0])))


def _order(one: str, other: str) -> int:
    """Pure: numbers by their value, letters after all else; below 0 when `one` comes first.

    >>> sorted(["b", "a100", "a11", "a9", "a", "A_", "AB"], key=functools.cmp_to_key(_order))
    ['A_', 'AB', 'a', 'a9', 'a11', 'a100', 'b']
    """
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            if left.isalpha() or right.isalpha():
                return left.isalpha() - right.isalpha() or ord(left) - ord(right)
            here, there = _digits(one, at), _digits(other, at)
            lead = "1" if one[:at].rstrip("0")[-1:].isdigit() else "0"  # else 100 would come before 11
            return int(lead + here) - int(lead + there) or len(here) - len(there) or ord(left) - ord(right)
    return len(one) - len(other)


def _digits(text: str, start: int) -> str:
    found = _DIGITS.match(text, start)
    return found[0] if found else ""


_Dumper.add_representer(str, _string)
_Dumper.add_representer(int, lambda dumper, value: _plain(dumper, str(value)))
_Dumper.add_representer(float, lambda dumper, value: _plain(dumper, _shortest(value)))
_Dumper.add_representer(bool, lambda dumper, value: _plain(dumper, "true" if value else "false"))
_Dumper.add_representer(type(None), lambda dumper, value: _plain(dumper, "null"))
_Dumper.add_representer(dict, _mapping)


def encode(value: Any) -> bytes:
    """
    >>> print(encode({"b": "1", "a": ["x", 1.0, None, True, "two\\nlines\\n"]}).decode(), end="")
    a:
    - x
    - 1
    - null
    - true
    - |
      two
      lines
    b: "1"
    """
    text: bytes = yaml.dump(value, Dumper=_Dumper, encoding="utf-8", allow_unicode=True)
    return text

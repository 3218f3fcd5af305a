"""Values that Go decodes with code of their own: times and bytes. Each comes back as Go would write it."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)([.,]\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_LAYOUT = "2006-01-02T15:04:05Z07:00"
_STEPS = (
    (r"\d{4}", "2006"), ("-", "-"), (r"\d\d", "01"), ("-", "-"), (r"\d\d", "02"), ("T", "T"), (r"\d\d", "15"),
    (":", ":"), (r"\d\d", "04"), (":", ":"), (r"\d\d(\.\d+)?", "05"), (r"Z|[+-]\d\d:\d\d", "Z07:00"),
)  # fmt: skip


def moment(text: str, *, micro: bool = False) -> str:
    """Pure: a time in UTC, to the second or (metav1.MicroTime) to six digits. Raises ValueError with Go's text.

    >>> moment("2026-01-02T03:04:05.9+02:00"), moment("2026-01-02T03:04:05.25Z", micro=True)
    ('2026-01-02T01:04:05Z', '2026-01-02T03:04:05.250000Z')
    """
    if not _TIME.fullmatch(text):
        raise ValueError(_unparsed(text))
    try:
        found = instant(text)
    except (ValueError, OverflowError):
        raise ValueError(f'parsing time "{text}": day out of range') from None
    shown = found.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    return f"{shown}.{found.microsecond:06d}Z" if micro else f"{shown}Z"


def instant(text: str) -> datetime:
    """Pure: the time that `moment` writes. ValueError if it is none."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(_unparsed(text))
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    micros = int((found[7] or ".")[1:7].ljust(6, "0"))
    made = datetime(year, month, day, hour, minute, second, micros, UTC)
    if found[8] in "Zz":
        return made
    zone = datetime.strptime(found[8], "%z").tzinfo
    return made.replace(tzinfo=zone).astimezone(UTC)


def _unparsed(text: str) -> str:
    rest = text
    for pattern, element in _STEPS:
        found = re.match(pattern, rest)
        if not found:
            return f'parsing time "{text}" as "{_LAYOUT}": cannot parse "{rest}" as "{element}"'
        rest = rest[found.end() :]
    return f'parsing time "{text}": extra text: "{rest}"'


def base64_text(text: str) -> str:
    """Pure: bytes in base64, as Go writes them; it takes line ends between. Raises ValueError with Go's text.

    >>> base64_text("aGVs\\nbG8=")
    'aGVsbG8='
    """
    bare = text.replace("\r", "").replace("\n", "")
    try:
        return base64.b64encode(base64.b64decode(bare, validate=True)).decode()
    except (binascii.Error, ValueError):
        wrong = re.search(r"[^A-Za-z0-9+/]", bare)
        raise ValueError(
            f"illegal base64 data at input byte {wrong.start() if wrong else len(bare) // 4 * 4}"
        ) from None

"""Times on the command line and on the screen."""

from __future__ import annotations

import time

from corral.cli.fail import Failure
from corral.cli.render import parse_duration


def parse_when(words: str, now: float | None = None) -> str:
    """A time as the API takes it: seconds since the epoch, with a fraction. "" stays "".

    >>> parse_when("10m", now=1000.0), parse_when("12.5"), parse_when("1970-01-01T00:01:00Z")
    ('400.000000000', '12.5', '60.000000000')
    """
    if not words or words.replace(".", "", 1).isdigit():
        return words
    if words[0].isdigit() and words[-1] in "smh":
        return f"{(time.time() if now is None else now) - parse_duration(words) / 10**9:.9f}"
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(words.replace("Z", "+00:00"))
    except ValueError:
        raise Failure(f'invalid value for time: "{words}"', 1) from None
    return f"{moment.timestamp():.9f}"


def iso_nano(nanoseconds: int) -> str:
    """Local time with nanoseconds and offset, as events are shown."""
    seconds, rest = divmod(nanoseconds, 10**9)
    zone = time.strftime("%z", time.localtime(seconds))
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(seconds))}.{rest:09d}{zone[:3]}:{zone[3:]}"


def epoch(iso: str) -> float:
    """Seconds since the epoch of the daemon's RFC 3339 times.

    >>> epoch("1970-01-01T00:01:00.123456789Z")
    60.123456
    """
    from datetime import datetime

    head, _, rest = iso.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{rest[:6]:0<6}+00:00").timestamp()

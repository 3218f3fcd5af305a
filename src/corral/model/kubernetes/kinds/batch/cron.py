"""Schedules in the grammar of cron: five fields, or a word such as @daily. Pure.

Follows ParseStandard of github.com/robfig/cron/v3, texts included.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import NamedTuple

from corral.errors import CorralError


class BadSchedule(CorralError):
    """The message is upstream's."""


class Schedule(NamedTuple):
    """What matches in each field. Of days of the month and of the week, one is enough unless the other is a star.

    `every`: seconds between starts, of `@every`; `zone`: of TZ=.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    days_star: bool = False
    weekdays_star: bool = False
    every: float = 0
    zone: str = ""


class _Bounds(NamedTuple):
    low: int
    high: int
    names: Mapping[str, int] = {}


_MONTHS = {name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_WEEKDAYS = {name: number for number, name in enumerate("sun mon tue wed thu fri sat".split())}
_FIELDS = (_Bounds(0, 59), _Bounds(0, 23), _Bounds(1, 31), _Bounds(1, 12, _MONTHS), _Bounds(0, 6, _WEEKDAYS))
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse(text: str) -> Schedule:
    """Pure: the schedule that a text stands for; raises BadSchedule.

    >>> sorted(parse("*/20 9-17 * * mon-fri").minutes), sorted(parse("@weekly").weekdays)
    ([0, 20, 40], [0])
    >>> parse("61 * * * *")
    Traceback (most recent call last):
    ...
    corral.model.kubernetes.kinds.batch.cron.BadSchedule: end of range (61) above maximum (59): 61
    """
    if not text:
        raise BadSchedule("empty spec string")
    zone = ""
    if text.startswith(("TZ=", "CRON_TZ=")):
        zone, _, text = text.partition("=")[2].partition(" ")
        text = text.strip()
        _check_zone(zone)
    if text.startswith("@every "):
        empty: frozenset[int] = frozenset()
        return Schedule(
            empty, empty, empty, empty, empty, every=_seconds(text, text.removeprefix("@every ")), zone=zone
        )
    if text.startswith("@"):
        if text not in _WORDS:
            raise BadSchedule(f"unrecognized descriptor: {text}")
        text = _WORDS[text]
    fields = text.split()
    if len(fields) != 5:
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (_field(one, bounds) for one, bounds in zip(fields, _FIELDS, strict=True))
    stars = _is_star(fields[2]), _is_star(fields[4])
    return Schedule(minutes, hours, days, months, weekdays, *stars, zone=zone)


def _check_zone(zone: str) -> None:
    try:
        zoneinfo.ZoneInfo(zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSchedule(f"provided bad location {zone}: unknown time zone {zone}") from None


def _seconds(text: str, duration: str) -> float:
    bare = duration.lstrip("+-")
    parts = _DURATION.findall(bare)
    if "".join(parts) != bare or (not parts and bare != "0"):
        raise BadSchedule(f'failed to parse duration {text}: time: invalid duration "{duration}"')
    total = sum(float(re.sub(r"[a-zµ]+$", "", one)) * _UNITS[re.sub(r"^[\d.]+", "", one)] for one in parts)
    return max(1.0, float(int(total)))


def _is_star(field: str) -> bool:
    """Whether a part of it is everything: then the other field for days decides."""
    return any(part.split("/")[0] in ("*", "?") and part.split("/")[1:] in ([], ["1"]) for part in field.split(","))


def _field(field: str, bounds: _Bounds) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    for part in filter(None, field.split(",")):
        found |= frozenset(_range(part, bounds))
    return found


def _range(part: str, bounds: _Bounds) -> range:
    """`*`, `5`, `1-5`, `*/2`, `10-20/2`, `5/2` (from 5 on)."""
    span, *steps = part.split("/")
    low, *rest = span.split("-")
    if low in ("*", "?"):
        first, last = bounds.low, bounds.high
    else:
        first = _number(low, bounds.names)
        if len(rest) > 1:
            raise BadSchedule(f"too many hyphens: {part}")
        last = _number(rest[0], bounds.names) if rest else first
    if len(steps) > 1:
        raise BadSchedule(f"too many slashes: {part}")
    step = _number(steps[0], {}) if steps else 1
    if steps and not rest:
        last = bounds.high
    if first < bounds.low:
        raise BadSchedule(f"beginning of range ({first}) below minimum ({bounds.low}): {part}")
    if last > bounds.high:
        raise BadSchedule(f"end of range ({last}) above maximum ({bounds.high}): {part}")
    if first > last:
        raise BadSchedule(f"beginning of range ({first}) beyond end of range ({last}): {part}")
    if not step:
        raise BadSchedule(f"step of range should be a positive number: {part}")
    return range(first, last + 1, step)


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise BadSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise BadSchedule(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)

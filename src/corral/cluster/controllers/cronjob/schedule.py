"""When a schedule strikes. Pure. The grammar is that of corral.model.kubernetes.kinds.batch.cron.

A time matches when the clock on the wall of the schedule's zone shows it: one that a change to summer time leaves out
does not come that day, one that comes twice strikes twice. Upstream's library is like that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from corral.model.kubernetes.kinds.batch.cron import Schedule

YEARS = 5  # a schedule that does not strike for so long never does
MANY = 100  # missed times


def zone_of(schedule: Schedule, name: str = "") -> tzinfo:
    """The schedule's own zone, else that of `name`, else UTC. Raises ZoneInfoNotFoundError, ValueError."""
    found = schedule.zone or name
    return ZoneInfo(found) if found else UTC


def matches_day(schedule: Schedule, day: date) -> bool:
    """
    >>> from corral.model.kubernetes.kinds.batch.cron import parse
    >>> [matches_day(parse("0 0 13 * fri"), date(2026, 3, n)) for n in (13, 20, 21)]
    [True, True, False]
    """
    if day.month not in schedule.months:
        return False
    of_month, of_week = day.day in schedule.days, day.isoweekday() % 7 in schedule.weekdays
    if schedule.days_star or schedule.weekdays_star:
        return of_month and of_week
    return of_month or of_week


def next_time(schedule: Schedule, after: datetime, zone: tzinfo = UTC) -> datetime | None:
    """The first time later than `after`, in UTC; None: never.

    >>> from corral.model.kubernetes.kinds.batch.cron import parse
    >>> noon = datetime(2026, 3, 28, 12, tzinfo=UTC)
    >>> next_time(parse("30 2 * * *"), noon, ZoneInfo("Europe/Berlin")).isoformat()  # 29 March has no 2:30 there
    '2026-03-30T00:30:00+00:00'
    >>> next_time(parse("0 0 30 2 *"), noon)
    """
    if schedule.every:
        return (after + timedelta(seconds=schedule.every)).replace(microsecond=0).astimezone(UTC)
    first = after.astimezone(zone).date()
    # A zone's clock may be put back over midnight, so the day before may come again.
    for days in range(-1, YEARS * 366):
        day = first + timedelta(days=days)
        if not matches_day(schedule, day) or _edge(day, 23, 59, zone, 1) <= after:
            continue
        for hour in sorted(schedule.hours):
            if _edge(day, hour, 59, zone, 1) > after:
                found = min((moment for moment in _moments(schedule, day, hour, zone) if moment > after), default=None)
                if found is not None:
                    return found
    return None


def last_time(schedule: Schedule, after: datetime, now: datetime, zone: tzinfo = UTC) -> datetime | None:
    """The latest time later than `after` and not later than `now`; None: there was none.

    >>> from corral.model.kubernetes.kinds.batch.cron import parse
    >>> last_time(parse("*/5 * * * *"), datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 7, tzinfo=UTC))
    datetime.datetime(2026, 1, 1, 0, 5, tzinfo=datetime.timezone.utc)
    """
    if schedule.every:
        steps = int((now - after).total_seconds() // schedule.every)
        return None if steps < 1 else (after + timedelta(seconds=steps * schedule.every)).astimezone(UTC)
    day, first = now.astimezone(zone).date() + timedelta(days=1), after.astimezone(zone).date() - timedelta(days=1)
    while day >= first:
        for hour in sorted(schedule.hours, reverse=True) if matches_day(schedule, day) else ():
            if _edge(day, hour, 0, zone, 0) <= now:
                found = max((one for one in _moments(schedule, day, hour, zone) if after < one <= now), default=None)
                if found is not None:
                    return found
        day -= timedelta(days=1)
    return None


def _edge(day: date, hour: int, minute: int, zone: tzinfo, fold: int) -> datetime:
    """A minute of an hour, the second one (`fold`) if it comes twice."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC)


def _moments(schedule: Schedule, day: date, hour: int, zone: tzinfo) -> Iterator[datetime]:
    """The times of one hour on the wall, in UTC; those that come twice are two."""
    for minute in schedule.minutes:
        for fold in (0, 1):
            moment, local = _edge(day, hour, minute, zone, fold), datetime(day.year, day.month, day.day, hour, minute)
            if moment.astimezone(zone).replace(tzinfo=None) == local:
                yield moment


def has_missed_many(schedule: Schedule, after: datetime, now: datetime, zone: tzinfo = UTC) -> bool:
    """More than MANY times were missed."""
    moment: datetime | None = after
    for _ in range(MANY + 1):
        moment = next_time(schedule, moment, zone) if moment is not None else None
        if moment is None or moment > now:
            return False
    return True

"""When schedules strike, by the clocks of zones."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from corral.cluster.controllers.cronjob.schedule import has_missed_many, next_time
from corral.model.kubernetes.kinds.batch.cron import parse


@pytest.mark.parametrize(
    ("schedule", "after", "zone", "expected"),
    [
        ("*/15 * * * *", "2026-01-01T00:14:59+00:00", "UTC", "2026-01-01T00:15:00+00:00"),
        ("@hourly", "2026-01-01T23:00:00+00:00", "UTC", "2026-01-02T00:00:00+00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00+00:00", "UTC", "2028-02-29T00:00:00+00:00"),
        ("0 12 * * *", "2026-07-01T00:00:00+00:00", "Europe/Berlin", "2026-07-01T10:00:00+00:00"),
        # 25 October 2026: 2:30 comes twice.
        ("30 2 * * *", "2026-10-25T00:00:00+00:00", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),
        ("30 2 * * *", "2026-10-25T00:30:00+00:00", "Europe/Berlin", "2026-10-25T01:30:00+00:00"),
        ("30 2 * * *", "2026-10-25T01:30:00+00:00", "Europe/Berlin", "2026-10-26T01:30:00+00:00"),
        ("@every 90m", "2026-01-01T00:00:00+00:00", "UTC", "2026-01-01T01:30:00+00:00"),
    ],
)
def test_the_next_time(schedule: str, after: str, zone: str, expected: str) -> None:
    found = next_time(parse(schedule), datetime.fromisoformat(after), ZoneInfo(zone))
    assert found is not None and found.isoformat() == expected


def test_many_missed_times() -> None:
    start, minutely = datetime.fromisoformat("2026-01-01T00:00:00+00:00"), parse("* * * * *")
    assert not has_missed_many(minutely, start, start.replace(hour=1, minute=40))
    assert has_missed_many(minutely, start, start.replace(hour=1, minute=41))

from __future__ import annotations

import pytest

from corral.model.kubernetes.kinds.batch.cron import BadSchedule, Schedule, parse


def test_fields() -> None:
    found = parse("0,30 */6 1-5 jan,DEC ?")
    assert found == Schedule(
        frozenset((0, 30)),
        frozenset((0, 6, 12, 18)),
        frozenset(range(1, 6)),
        frozenset((1, 12)),
        frozenset(range(7)),
        weekdays_star=True,
    )
    assert parse("5/20 * * * *").minutes == {5, 25, 45}
    assert parse("TZ=Europe/Berlin 0 0 * * *").zone == "Europe/Berlin"
    assert (parse("@every 1h30m").every, parse("@every 10ms").every) == (5400, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@often", "unrecognized descriptor: @often"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("TZ=Nowhere 0 0 * * *", "provided bad location Nowhere: unknown time zone Nowhere"),
    ],
)
def test_what_is_wrong_is_said_in_the_known_words(text: str, says: str) -> None:
    with pytest.raises(BadSchedule) as caught:
        parse(text)
    assert caught.value.message == says

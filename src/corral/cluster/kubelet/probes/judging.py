"""From single answers to a verdict: so many in a row. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Object = dict[str, Any]

KINDS = ("startup", "liveness", "readiness")
FIRST_LOOK: Final = 0.1  # seconds; each further look comes after twice the time of the last


class Timing(NamedTuple):
    """Seconds, and numbers of answers."""

    delay: float
    period: float
    timeout: float
    successes: int
    failures: int


def timing(probe: Object) -> Timing:
    """
    >>> timing({"periodSeconds": 2})
    Timing(delay=0.0, period=2.0, timeout=1.0, successes=1, failures=3)
    """
    return Timing(
        float(probe.get("initialDelaySeconds") or 0),
        float(probe.get("periodSeconds") or 10),
        float(probe.get("timeoutSeconds") or 1),
        int(probe.get("successThreshold") or 1),
        int(probe.get("failureThreshold") or 3),
    )


class Streak(NamedTuple):
    """`verdict` is what counts now; `good` and `number`: the latest answers, alike, and how many."""

    verdict: bool | None = None
    good: bool = True
    number: int = 0


def judge(before: Streak, good: bool, wanted: Timing) -> Streak:
    """After one more answer.

    >>> often = timing({"failureThreshold": 2})
    >>> one = judge(Streak(True), False, often)
    >>> one.verdict, judge(one, False, often).verdict
    (True, False)
    """
    number = before.number + 1 if before.good == good and before.number else 1
    enough = number >= (wanted.successes if good else wanted.failures)
    return Streak(good if enough else before.verdict, good, number)


def first_verdict(kind: str) -> bool | None:
    """Before any answer: alive, not ready, and not known to have started.

    >>> [first_verdict(kind) for kind in KINDS]
    [None, True, False]
    """
    return {"startup": None, "liveness": True, "readiness": False}[kind]


def first_pause(wanted: Timing, since_start: float) -> float:
    """Seconds to wait before the first answer is asked for.

    >>> first_pause(timing({"initialDelaySeconds": 5}), 2.0), first_pause(timing({}), 90.0)
    (3.0, 0.0)
    """
    return max(0.0, wanted.delay - since_start)


def looks(kind: str, wanted: Timing, streak: Streak, since_start: float) -> Iterator[tuple[float, bool]]:
    """The pauses between the first answer and the second of what is only starting, and whether a bad answer counts.

    A program listens a moment after it was started, in which the first answer is bad: whoever waits for it should not
    wait for a whole period. Looked for in between, a good answer counts, and a bad one is none.

    >>> list(looks("readiness", timing({"periodSeconds": 1}), Streak(False), 0.0))
    [(0.1, False), (0.2, False), (0.4, False), (0.3, True)]
    >>> list(looks("readiness", timing({}), Streak(True), 0.0)), list(looks("liveness", timing({}), Streak(True), 0.0))
    ([], [])
    >>> list(looks("readiness", timing({}), Streak(False), 60.0))
    []
    """
    if kind == "liveness" or streak.verdict or since_start > wanted.delay + wanted.period:
        return
    left, step = wanted.period, FIRST_LOOK
    while step < left:
        yield step, False
        left, step = round(left - step, 3), step * 2
    yield left, True

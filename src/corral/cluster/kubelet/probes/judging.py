"""From single answers to a verdict: so many in a row. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

Object = dict[str, Any]

KINDS = ("startup", "liveness", "readiness")


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


def pause(wanted: Timing, since_start: float, first: bool) -> float:
    """Seconds to wait before the next answer is asked for.

    >>> pause(timing({"initialDelaySeconds": 5}), 2.0, True), pause(timing({}), 90.0, False)
    (3.0, 10.0)
    """
    return max(0.0, wanted.delay - since_start) if first else wanted.period

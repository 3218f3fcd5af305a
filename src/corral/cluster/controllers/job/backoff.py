"""How long a Job waits after a failure before it makes the next pod. Pure. Follows upstream's backoff_utils.go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text
from corral.cluster.controllers.common.pods import condition
from corral.kit.backoff import exponential

FIRST, LONGEST = 10, 600  # seconds


class Record(NamedTuple):
    """Failures in a row, and when the last one was. Kept in memory only: after a restart a Job tries at once."""

    failures: int = 0
    last: datetime | None = None

    def left(self, now: datetime) -> float:
        """Seconds to wait still.

        >>> now = datetime(2026, 1, 2)
        >>> Record().left(now), Record(1, now).left(now), Record(3, now).left(now), Record(99, now).left(now)
        (0.0, 10.0, 40.0, 600.0)
        """
        if self.failures == 0 or self.last is None:
            return 0.0
        until = self.last + timedelta(seconds=exponential(self.failures - 1, FIRST, LONGEST))
        return max(0.0, (until - now).total_seconds())


def finished_at(pod: Object, now: datetime) -> datetime:
    """When a pod ended: as its last container did, else as it was told to go or ceased to be ready."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [((one.get("state") or {}).get("terminated") or {}).get("finishedAt") for one in statuses]
    if ends and all(ends):
        return max(from_text(one) for one in ends if one)
    deleted = pod["metadata"].get("deletionTimestamp")
    if deleted:
        grace = int(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
        return from_text(deleted) - timedelta(seconds=grace)
    ready = condition(pod, "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return from_text(ready["lastTransitionTime"])
    return now


def advanced(record: Record, succeeded: Iterable[Object], failed: Iterable[Object], now: datetime) -> Record:
    """The record after pods ended: a success ends the row.

    >>> ended = lambda at: {"metadata": {"deletionTimestamp": f"2026-01-02T00:00:0{at}Z"}}
    >>> advanced(Record(5), [ended(1)], [ended(0), ended(2)], datetime(2026, 1, 3)).failures
    1
    """
    ends = [(finished_at(pod, now), False) for pod in failed] + [(finished_at(pod, now), True) for pod in succeeded]
    for when, success in sorted(ends):
        record = Record() if success else Record(record.failures + 1, when)
    return record

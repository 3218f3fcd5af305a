"""How long a request may take, and what is said of one that takes longer. Requests without an end have no deadline.

Follows k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go, …/server/filters/timeout.go, which answers with a
Status that says not of what kind it is (clients then have words of their own for it), and …/endpoints/handlers, where
a write has a shorter time than that and a Status that can be read. The time runs from when the request came in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from math import ceil
from typing import Final, NamedTuple

from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.limits import is_long
from corral.cluster.apiserver.paths import RequestInfo
from corral.http.message import Answer, Response
from corral.http.query import Query
from corral.kit.clock import SECOND, parse_duration
from corral.model.kubernetes.status import bad_request, timeout

WRITE_SECONDS: Final = 34.0
_WRITES: Final = ("create", "update", "patch", "delete")
_HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache, private"}


class Deadline(NamedTuple):
    """`seconds` from now. `of_write`: the time that writes have, which nobody has asked for."""

    seconds: float
    of_write: bool = False


def plan_deadline(info: RequestInfo, query: Query, longest: float) -> Deadline | None:
    """Pure: when a request is given up; None: never. What is asked for counts where it is less than `longest`. 400.

    >>> get, create = RequestInfo("/x", "get", resource="pods"), RequestInfo("/x", "create", resource="pods")
    >>> plan_deadline(get, Query("timeout=1m30s"), 60), plan_deadline(get, Query("timeout=500ms"), 60).seconds
    (Deadline(seconds=60, of_write=False), 0.5)
    >>> plan_deadline(create, Query("timeout=0s"), 60), plan_deadline(create, Query("timeout=34s"), 60)
    (Deadline(seconds=34.0, of_write=True), Deadline(seconds=34.0, of_write=False))
    >>> plan_deadline(RequestInfo("/x", "watch", resource="pods"), Query("timeout=abc"), 60)
    >>> plan_deadline(get, Query("timeout=abc"), 60)
    Traceback (most recent call last):
    corral.model.kubernetes.status.StatusError: invalid timeout specified in the request URL - time: invalid duration \
"abc"
    """
    if is_long(info):
        return None
    seconds = longest
    if text := query.get("timeout"):
        try:
            asked = parse_duration(text) / SECOND
        except ValueError as error:
            raise bad_request(f"invalid timeout specified in the request URL - {error}") from None
        seconds = asked if 0 < asked < longest else longest
    if info.resource and info.verb in _WRITES and seconds > WRITE_SECONDS:
        return Deadline(WRITE_SECONDS, of_write=True)
    return Deadline(seconds)


async def within(deadline: Deadline, work: Awaitable[Answer]) -> Answer:
    """The answer, or the one of a deadline that has passed: then the work is given up. Raises StatusError 504."""
    try:
        async with asyncio.timeout(deadline.seconds) as scope:
            return await work
    except TimeoutError:
        if not scope.expired():
            raise
    if deadline.of_write:
        raise timeout("request did not complete within requested timeout - context deadline exceeded")
    status = timeout("request did not complete within the allotted timeout").status()
    nameless = {key: value for key, value in status.items() if key not in ("kind", "apiVersion")}
    return Response(504, dict(_HEADERS), encode(nameless) + b"\n")


def hook_seconds(seconds: int, deadline: float | None, now: float) -> int:
    """Pure: what a webhook with a timeout of its own is told that there is left; whole seconds, rounded up.

    >>> hook_seconds(20, 110.0, 100.0), hook_seconds(5, 110.0, 100.0), hook_seconds(20, 110.0, 101.5)
    (10, 5, 9)
    """
    if deadline is None:
        return seconds
    return max(min(seconds, ceil(deadline - now)), 1)

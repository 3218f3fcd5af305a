"""Whether an ended container is started again, and when. Pure."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.pods import Member

Object = dict[str, Any]

SECOND: Final = 10**9
FIRST: Final = 10  # seconds
LONGEST: Final = 300


class Backoff(NamedTuple):
    """How long the next start is put off: `delay` in seconds; `updated`, in nanoseconds, is the last start."""

    delay: int
    updated: int


def next_backoff(known: Backoff | None, now: int) -> Backoff:
    """For a start at `now`: the pause before the one after it. Who did well for ten minutes begins anew.

    >>> first = next_backoff(None, 0)
    >>> first.delay, next_backoff(first, 10 * SECOND).delay, next_backoff(Backoff(300, 0), 400 * SECOND).delay
    (10, 20, 300)
    >>> next_backoff(Backoff(160, 0), 700 * SECOND).delay
    10
    """
    if known is None or now - known.updated > 2 * LONGEST * SECOND:
        return Backoff(FIRST, now)
    return Backoff(min(2 * known.delay, LONGEST), now)


def pause(known: Backoff | None, ended: int, now: int) -> float:
    """Seconds from `now` until a container that ended then may be started; 0: at once, as after a first crash.

    >>> pause(None, 5 * SECOND, 6 * SECOND), pause(Backoff(10, 0), 5 * SECOND, 6 * SECOND)
    (0.0, 9.0)
    """
    if known is None or ended - known.updated > 2 * LONGEST * SECOND:
        return 0.0
    return max(0.0, (ended + known.delay * SECOND - now) / SECOND)


def wants_restart(member: Member, policy: str, last: Attempt) -> bool:
    """`policy` is the pod's. A container's own rules come first, then its own policy.

    >>> ended = Attempt("i", "a", 0, "ended", "s", code=3)
    >>> wants_restart(Member("main", {"name": "a"}), "OnFailure", ended)
    True
    >>> rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}
    >>> wants_restart(Member("main", {"name": "a", "restartPolicyRules": [rule]}), "Never", ended)
    True
    >>> wants_restart(Member("init", {"name": "a"}), "Always", ended._replace(code=0))
    False
    """
    if member.kind == "ephemeral":
        return False
    if member.kind == "sidecar":
        return True
    for rule in member.spec.get("restartPolicyRules") or ():
        if rule.get("action") == "Restart" and _fits(rule.get("exitCodes") or {}, last.code):
            return True
    wanted = member.spec.get("restartPolicy") or policy
    if wanted == "Never":
        return False
    return last.code != 0 if wanted == "OnFailure" or member.kind == "init" else True


def _fits(codes: Object, code: int) -> bool:
    listed = code in (codes.get("values") or ())
    return listed if codes.get("operator") == "In" else not listed

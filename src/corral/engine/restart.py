"""When a container that ended is started again."""

from __future__ import annotations

from corral.kit.backoff import exponential
from corral.kit.clock import SECOND
from corral.model.container import RestartPolicy

FIRST_DELAY = SECOND // 10
LONGEST_DELAY = 60 * SECOND
STEADY = 10 * SECOND  # one that ran this long starts its back-off anew


def plan_restart(policy: RestartPolicy, exit_code: int, stopped_by_user: bool, restarts: int) -> bool:
    """Pure: whether to start again a container that has been restarted `restarts` times since the user started it.

    >>> plan_restart(RestartPolicy("on-failure", 2), 1, False, 1)
    True
    >>> plan_restart(RestartPolicy("on-failure", 2), 1, False, 2)
    False
    >>> plan_restart(RestartPolicy("always"), 0, True, 0)
    False
    """
    if stopped_by_user:
        return False
    if policy.name in ("always", "unless-stopped"):
        return True
    if policy.name == "on-failure":
        return exit_code != 0 and (policy.max_retries == 0 or restarts < policy.max_retries)
    return False


def plan_delay(previous: int, ran_for: int) -> int:
    """Pure: nanoseconds to wait before the restart: 0.1 s, doubled each time up to a minute.

    >>> [plan_delay(d, ran_for=0) // 10**6 for d in (0, 100_000_000, 51_200_000_000)]
    [100, 200, 60000]
    >>> plan_delay(51_200_000_000, ran_for=11 * SECOND) // 10**6
    100
    """
    if previous == 0 or ran_for >= STEADY:
        return FIRST_DELAY
    return exponential(1, previous, LONGEST_DELAY)


def plan_boot(policy: RestartPolicy, exit_code: int, stopped_by_user: bool, started_before: bool) -> bool:
    """Pure: whether a daemon that starts brings up a container that does not run.

    "always" means it: even one that the user stopped comes back with the daemon.

    >>> plan_boot(RestartPolicy("always"), 0, True, True)
    True
    >>> plan_boot(RestartPolicy("unless-stopped"), 0, True, True)
    False
    """
    if not started_before:
        return False
    if policy.name == "always":
        return True
    return plan_restart(policy, exit_code, stopped_by_user, 0)

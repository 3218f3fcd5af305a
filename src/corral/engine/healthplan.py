"""What a health check's result makes of a container's health."""

from __future__ import annotations

from corral.kit.clock import SECOND
from corral.model.container import Health, HealthCheck, HealthResult

KEPT_RESULTS = 5
KEPT_OUTPUT = 4096

INTERVAL, TIMEOUT, START_INTERVAL, RETRIES = 30 * SECOND, 30 * SECOND, 5 * SECOND, 3


def is_checked(check: HealthCheck | None) -> bool:
    """Pure: whether there is anything to run."""
    return check is not None and bool(check.test) and check.test[0] in ("CMD", "CMD-SHELL")


def plan_probe(check: HealthCheck, shell: list[str] | None) -> list[str]:
    """Pure: the command to execute.

    >>> plan_probe(HealthCheck(["CMD-SHELL", "true && true"]), None)
    ['/bin/sh', '-c', 'true && true']
    """
    if check.test[0] == "CMD":
        return check.test[1:]
    return [*(shell or ["/bin/sh", "-c"]), *check.test[1:]]


def plan_interval(check: HealthCheck, health: Health, started_at: int, now: int) -> int:
    """Pure: nanoseconds until the next probe: a shorter interval while the container is starting.

    >>> check = HealthCheck(["CMD", "x"], interval=9 * SECOND, start_period=20 * SECOND, start_interval=SECOND)
    >>> plan_interval(check, Health("starting"), 0, 5 * SECOND) // SECOND
    1
    >>> plan_interval(check, Health("healthy"), 0, 5 * SECOND) // SECOND
    9
    """
    if health.status == "starting" and now - started_at < check.start_period:
        return check.start_interval or START_INTERVAL
    return check.interval or INTERVAL


def plan_unasked(health: Health | None) -> Health | None:
    """Pure: the health of a container that is asked no more, because it is paused or has ended: as Docker has it, it is
    not well, whatever it answered last.

    >>> plan_unasked(Health("healthy", 0)).status, plan_unasked(None)
    ('unhealthy', None)
    """
    return health and Health("unhealthy", health.failing_streak, health.log)


def plan_health(check: HealthCheck, health: Health, result: HealthResult, started_at: int) -> Health:
    """Pure: the health after one more result. Failures in the start period do not count until one has succeeded.

    >>> check = HealthCheck(["CMD", "x"], retries=2)
    >>> one = plan_health(check, Health(), HealthResult(1, 2, 1, "no"), 0)
    >>> one.status, one.failing_streak, plan_health(check, one, HealthResult(3, 4, 1, "no"), 0).status
    ('starting', 1, 'unhealthy')
    >>> plan_health(check, one, HealthResult(3, 4, 0, ""), 0).status
    'healthy'
    """
    log = [*health.log, result][-KEPT_RESULTS:]
    if result.exit_code == 0:
        return Health("healthy", 0, log)
    if health.status == "starting" and result.start - started_at < check.start_period:
        return Health("starting", health.failing_streak, log)
    streak = health.failing_streak + 1
    status = "unhealthy" if streak >= (check.retries or RETRIES) else health.status
    return Health(status, streak, log)

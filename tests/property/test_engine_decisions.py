"""What must hold of the engine's decisions for every input."""

from hypothesis import given
from hypothesis import strategies as st

from corral.engine.adoption import Found, plan_adoption
from corral.engine.healthplan import plan_health, plan_interval
from corral.engine.merge import plan_environment, plan_merge
from corral.engine.mounts import plan_mount_points
from corral.engine.restart import LONGEST_DELAY, plan_boot, plan_delay, plan_restart
from corral.kit.clock import SECOND, from_rfc3339, parse_duration, to_rfc3339
from corral.model.container import ContainerSpec, Health, HealthCheck, HealthResult, Mount, RestartPolicy, State
from corral.model.image import ImageConfig
from corral.runtime.mounts import plan_tmpfs

statuses = st.sampled_from(["created", "running", "paused", "restarting", "removing", "exited", "dead"])
policies = st.builds(
    RestartPolicy,
    name=st.sampled_from(["no", "always", "unless-stopped", "on-failure"]),
    max_retries=st.integers(0, 5),
)
founds = st.builds(
    Found,
    ready=st.booleans(),
    state=st.builds(State, status=statuses, pid=st.integers(0, 9)),
    process=st.sampled_from(["running", "created", ""]),
    exit_code=st.none() | st.integers(0, 255),
    monitor=st.booleans(),
    bundle=st.booleans(),
    fresh=st.booleans(),
)


@given(founds)
def test_a_running_program_is_never_swept_and_nothing_half_made_stays(found: Found) -> None:
    action = plan_adoption(found)
    if not found.ready:
        assert action == "discard"
    elif found.process == "running" and found.exit_code is None and found.state.status != "removing":
        assert action == "adopt"
    elif found.process == "created":
        assert action in ("sweep", "ended", "discard")
    if found.exit_code is not None and found.ready and found.state.status in ("running", "paused"):
        assert action == "ended"


@given(policies, st.integers(0, 255), st.integers(0, 10))
def test_what_the_user_stopped_stays_stopped(policy: RestartPolicy, code: int, restarts: int) -> None:
    assert not plan_restart(policy, code, True, restarts)
    if policy.name != "always":
        assert not plan_boot(policy, code, True, True)
    assert not plan_boot(policy, code, False, False)


@given(st.just(0) | st.integers(SECOND // 10, 2 * LONGEST_DELAY), st.integers(0, 100 * SECOND))
def test_delays_stay_in_bounds(previous: int, ran: int) -> None:
    assert SECOND // 10 <= plan_delay(previous, ran) <= LONGEST_DELAY


words = st.lists(st.sampled_from(["A=1", "A=2", "B=", "B", "C=x=y", "PATH=/x"]), max_size=5)


@given(words, words)
def test_the_user_wins_over_the_image(mine: list[str], images: list[str]) -> None:
    merged = plan_merge(ContainerSpec("x", command=["c"], env=mine), ImageConfig(env=images))
    assert merged.env[: len(mine)] == mine
    final = dict(e.partition("=")[::2] for e in plan_environment(merged, "h", "/"))
    names = {e.partition("=")[0] for e in mine}
    for name in names:
        last = [e for e in mine if e.partition("=")[0] == name][-1]
        if "=" in last:
            assert final[name] == last.partition("=")[2]


targets = st.sampled_from(["/a", "/a/", "/a/../b", "/b", "/c//d"])


@given(st.lists(st.builds(Mount, st.just("volume"), targets, st.sampled_from(["", "v"]))), st.lists(targets))
def test_one_mount_for_each_target(mounts: list[Mount], volumes: list[str]) -> None:
    points = plan_mount_points(ContainerSpec("x", mounts=mounts, volumes=volumes), [], lambda: "new")
    assert len({p.target for p in points}) == len(points)
    assert [p.target for p in points] == sorted(p.target for p in points)


@given(st.lists(st.sampled_from(["exec", "noexec", "suid", "dev", "size=1k", "ro"]), unique=True))
def test_tmpfs_is_safe_unless_asked_otherwise(options: list[str]) -> None:
    planned = plan_tmpfs("/t", ",".join(options)).options
    last = [o for o in options if o in ("exec", "noexec")][-1:]
    assert ("noexec" in planned) is (last != ["exec"])


@given(st.lists(st.integers(-1, 2), max_size=12), st.integers(1, 4))
def test_health_needs_enough_failures_in_a_row(codes: list[int], retries: int) -> None:
    check, health = HealthCheck(["CMD", "x"], retries=retries), Health()
    for code in codes:
        health = plan_health(check, health, HealthResult(1, 2, code, ""), 0)
        assert len(health.log) <= 5
        if health.failing_streak >= retries:
            assert health.status == "unhealthy"
        if code == 0:
            assert health.status == "healthy"
        assert plan_interval(check, health, 0, 1) > 0


@given(st.integers(1, 4 * 10**18))
def test_times_survive_their_text(ns: int) -> None:
    assert from_rfc3339(to_rfc3339(ns)) == ns


@given(st.integers(0, 10**6), st.sampled_from(["ns", "us", "ms", "s", "m", "h"]))
def test_durations_have_a_sign(number: int, unit: str) -> None:
    assert parse_duration(f"-{number}{unit}") == -parse_duration(f"{number}{unit}")

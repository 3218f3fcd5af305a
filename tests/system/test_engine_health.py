"""Health checks and restart policies: what happens by itself."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoint import Endpoint
from tests.support.instance import instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

MILLISECOND = 1_000_000


def _health(engine: Endpoint, identity: str) -> Any:
    return engine.inspect(identity)["State"]["Health"]


def _check(test: list[str], **more: int) -> dict[str, Any]:
    return {"Test": test, "Interval": 150 * MILLISECOND, "Retries": 2, "Timeout": 60_000 * MILLISECOND, **more}


def test_starting_healthy_unhealthy(engine: Endpoint) -> None:
    check = _check(["CMD-SHELL", "test -e /well && echo fine || (echo ill; exit 3)"], StartPeriod=0)
    identity = engine.run("sh", "-c", "touch /well; sleep 100", Healthcheck=check)
    assert _health(engine, identity)["Status"] in ("starting", "healthy")
    eventually(lambda: _health(engine, identity)["Status"] == "healthy", "healthy")
    engine.execute(identity, "rm", "/well")
    eventually(lambda: _health(engine, identity)["Status"] == "unhealthy", "unhealthy")
    found = _health(engine, identity)
    assert found["FailingStreak"] >= 2 and len(found["Log"]) <= 5
    assert found["Log"][-1]["ExitCode"] == 3 and found["Log"][-1]["Output"] == "ill\n"
    listed = engine.get("/containers/json", query={"filters": {"health": ["unhealthy"]}}).json
    assert [container["Id"] for container in listed] == [identity] and "(unhealthy)" in listed[0]["Status"]


def test_one_that_is_not_asked_is_not_well(engine: Endpoint) -> None:
    """Paused or ended it counts as unhealthy, until it is asked again."""
    identity = engine.run("sleep", "1000", Healthcheck=_check(["CMD", "true"]), StopTimeout=1)
    eventually(lambda: _health(engine, identity)["Status"] == "healthy", "healthy")
    assert engine.post(f"/containers/{identity}/pause").status == 204
    assert _health(engine, identity)["Status"] == "unhealthy"
    assert engine.post(f"/containers/{identity}/unpause").status == 204
    eventually(lambda: _health(engine, identity)["Status"] == "healthy", "healthy again")
    assert engine.post(f"/containers/{identity}/stop", query={"t": 0}).status == 204
    assert _health(engine, identity)["Status"] == "unhealthy" and _health(engine, identity)["Log"]


def test_a_check_does_not_get_the_hosts_null_device(engine: Endpoint) -> None:
    script = "stat -L -c %t:%T /proc/self/fd/0; ! chmod 666 /proc/self/fd/0 2>/dev/null"
    identity = engine.run("sleep", "100", Healthcheck=_check(["CMD-SHELL", script]), User="4321:4321")
    eventually(lambda: _health(engine, identity)["Log"], "a check has run")
    first = _health(engine, identity)["Log"][0]
    assert (first["ExitCode"], first["Output"]) == (0, "1:3\n")
    assert os.stat("/dev/null").st_uid != 4321


def test_a_check_that_takes_too_long_fails(engine: Endpoint) -> None:
    check = _check(["CMD-SHELL", "echo so far; sleep 60"]) | {"Timeout": 1500 * MILLISECOND, "Retries": 1}
    identity = engine.run("sleep", "100", Healthcheck=check)
    eventually(lambda: _health(engine, identity)["Status"] == "unhealthy", "unhealthy")
    last = _health(engine, identity)["Log"][-1]
    assert last["ExitCode"] == -1 and last["Output"].startswith("Health check exceeded timeout (1.5s)")
    # Under load it may not have come to its first words in that time.
    told = "Health check exceeded timeout (1.5s): so far\n"
    eventually(lambda: told in [one["Output"] for one in _health(engine, identity)["Log"]], "what it had said")


SLOW = """\
#!/bin/sh
case " $* " in *" exec "*) sleep 6 ;; esac
exec runc "$@"
"""


def test_a_check_s_time_begins_when_it_does(tmp_path: Path) -> None:
    """On a busy machine the runtime takes a while to start a process: the container is no less well for that."""
    runtime = tmp_path / "slow"
    runtime.write_text(SLOW)
    runtime.chmod(0o755)
    with instance("--add-runtime", f"slow={runtime}") as engine:
        check = _check(["CMD", "true"]) | {"Timeout": 5000 * MILLISECOND}
        identity = engine.run("sleep", "1000", Healthcheck=check, HostConfig={"Runtime": "slow"})
        eventually(lambda: _health(engine, identity)["Log"], "it was asked", seconds=60)
        assert _health(engine, identity)["Log"][0]["ExitCode"] == 0, _health(engine, identity)
        eventually(lambda: _health(engine, identity)["Status"] == "healthy", "healthy")


def test_failures_in_the_start_period_do_not_count(engine: Endpoint) -> None:
    check = _check(["CMD", "false"], StartPeriod=60_000 * MILLISECOND, StartInterval=150 * MILLISECOND)
    identity = engine.run("sleep", "100", Healthcheck=check, version="v1.44")
    eventually(lambda: len(_health(engine, identity)["Log"] or []) >= 3, "three checks")
    assert _health(engine, identity)["Status"] == "starting"


def test_none_turns_checking_off(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", Healthcheck={"Test": ["NONE"]})
    assert "Health" not in engine.inspect(identity)["State"]


def test_on_failure_restarts_so_many_times(engine: Endpoint) -> None:
    policy = {"Name": "on-failure", "MaximumRetryCount": 2}
    identity = engine.run("sh", "-c", "echo life; exit 7", HostConfig={"RestartPolicy": policy})

    def over() -> bool:
        found = engine.inspect(identity)
        return bool(found["RestartCount"] == 2 and found["State"]["Status"] == "exited")

    eventually(over, "two restarts, then the end", seconds=20)
    assert engine.output(identity) == "life\n" * 3
    assert engine.inspect(identity)["State"]["ExitCode"] == 7


def test_success_is_not_restarted(engine: Endpoint) -> None:
    identity = engine.run("true", HostConfig={"RestartPolicy": {"Name": "on-failure"}})
    engine.wait(identity)
    assert engine.inspect(identity)["State"]["Status"] == "exited" and engine.inspect(identity)["RestartCount"] == 0


def test_the_pauses_between_restarts_grow(engine: Endpoint) -> None:
    """100 ms, 200 ms, 400 ms, …: so after one second it has run four times at the most."""
    identity = engine.run("sh", "-c", "cut -d' ' -f1 /proc/uptime", HostConfig={"RestartPolicy": {"Name": "always"}})
    eventually(lambda: len(engine.output(identity).splitlines()) >= 4, "four lives", seconds=20)
    moments = [float(line) for line in engine.output(identity).splitlines()]
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert pauses[1] >= 0.2 and pauses[2] >= 0.4
    engine.post(f"/containers/{identity}/stop", query={"t": 0})


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_stopped_one_stays_stopped(engine: Endpoint, policy: str) -> None:
    identity = engine.run("sleep", "100", HostConfig={"RestartPolicy": {"Name": policy}})
    assert engine.post(f"/containers/{identity}/stop", query={"t": 0}).status == 204
    state = engine.inspect(identity)["State"]
    assert (state["Status"], state["Restarting"]) == ("exited", False)
    assert engine.inspect(identity)["RestartCount"] == 0


def test_a_killed_one_comes_back(engine: Endpoint) -> None:
    """The program dies by a signal that nobody asked the daemon for."""
    script = "trap 'exit 1' USR1; echo up; while :; do sleep 0.05; done"
    identity = engine.run("sh", "-c", script, HostConfig={"RestartPolicy": {"Name": "always"}})
    eventually(lambda: "up" in engine.output(identity), "up")
    engine.execute(identity, "kill", "-USR1", "1")
    eventually(lambda: engine.inspect(identity)["RestartCount"] == 1, "restarted")
    eventually(lambda: engine.output(identity).count("up") == 2, "up again")
    engine.remove(identity)


def test_removing_ends_the_restarts(engine: Endpoint) -> None:
    identity = engine.run("false", HostConfig={"RestartPolicy": {"Name": "always"}})
    eventually(lambda: engine.inspect(identity)["RestartCount"] >= 1, "one restart")
    assert engine.delete(f"/containers/{identity}", query={"force": 1}).status == 204
    assert engine.get(f"/containers/{identity}/json").status == 404


def test_a_kill_between_two_restarts_ends_them(engine: Endpoint) -> None:
    """There is no process then, and still it is what `docker kill` of something that crashes again and again is for."""
    policy = {"RestartPolicy": {"Name": "always"}}
    looping = {signal: engine.run("false", HostConfig=policy) for signal in ("", "KILL", "TERM", "USR1")}

    def pauses(identity: str) -> bool:  # for three seconds
        found = engine.inspect(identity)
        return bool(found["RestartCount"] >= 5 and found["State"]["Restarting"])

    for signal, identity in looping.items():
        eventually(lambda identity=identity: pauses(identity), "it waits for its next start", seconds=20)
        killed = engine.post(f"/containers/{identity}/kill", query={"signal": signal})
        ends = signal != "USR1"  # nobody is there to be told
        assert killed.status == (204 if ends else 409), killed.message
        assert engine.inspect(identity)["State"]["Status"] == ("exited" if ends else "restarting")
    ended = looping["KILL"]
    assert engine.post(f"/containers/{ended}/kill").status == 409, "it does not run"
    assert engine.post(f"/containers/{ended}/start").status == 204, "and can be started"
    for identity in looping.values():
        engine.remove(identity)

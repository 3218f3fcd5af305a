"""sig-node: how the kubelet asks whether a container is well, and what is done around its life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.support.conformance import Object, Space, condition, container, is_ready, status_of
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

QUICK = {"periodSeconds": 1, "failureThreshold": 1}
SERVE = "mkdir -p /w; echo ok >/w/healthz; httpd -p 8080 -h /w; "
BREAKS = "touch /tmp/health; (sleep 2; rm -f /tmp/health /w/healthz) & "
STAYS = "trap 'exit 0' TERM; sleep 9999 & wait"


def _http(path: str) -> Object:
    return {"httpGet": {"path": path, "port": 8080}, **QUICK}


ALIVE: dict[str, tuple[str, Object]] = {
    "http": (SERVE, _http("/healthz")),
    "tcp": (SERVE, {"tcpSocket": {"port": 8080}, **QUICK}),
    "exec": ("touch /tmp/health; ", {"exec": {"command": ["cat", "/tmp/health"]}, **QUICK}),
}
DEAD: dict[str, tuple[str, Object]] = {
    "http-breaks": (SERVE + BREAKS, _http("/healthz")),
    "exec-breaks": (BREAKS, {"exec": {"command": ["cat", "/tmp/health"]}, **QUICK}),
    "grpc-nobody": (SERVE, {"grpc": {"port": 2333}, **QUICK}),
}


@pytest.fixture(scope="module")
def probed(shared: Space) -> Iterator[Space]:
    """All pods of this file that are asked, so that their times pass at once."""
    for name, (script, probe) in ALIVE.items():
        slow = {**probe, "timeoutSeconds": 30}  # one failure is too many: it has its time to begin, and to answer
        _run(shared, name, script, livenessProbe=slow, startupProbe={**slow, "failureThreshold": 60})
    for name, (script, probe) in DEAD.items():
        _run(shared, name, script, livenessProbe={"initialDelaySeconds": 1, **probe})
    _run(
        shared, "late", "", readinessProbe={"exec": {"command": ["true"]}, "initialDelaySeconds": 4, "periodSeconds": 1}
    )
    _run(shared, "never", "", readinessProbe={"exec": {"command": ["false"]}, **QUICK})
    yield shared


def _run(space: Space, name: str, script: str, **probes: Any) -> None:
    main = container(f"{script}{STAYS}", **probes)
    space.run(name, main, restartPolicy="Always", terminationGracePeriodSeconds=1)


@pytest.mark.parametrize("name", DEAD)
def test_who_is_not_well_is_started_again(probed: Space, name: str) -> None:
    found = probed.until(name, lambda one: status_of(one).get("restartCount", 0) >= 1)
    assert status_of(found)["lastState"]["terminated"]

    def reasons() -> set[str]:
        return {one["reason"] for one in probed.items("events") if one["involvedObject"]["name"] == name}

    eventually(lambda: {"Unhealthy", "Killing"} <= reasons(), lambda: str(reasons()), seconds=60)


def test_restarts_are_counted_up(probed: Space) -> None:
    counts: list[int] = []

    def fits(one: Object) -> bool:
        counts.append(status_of(one).get("restartCount", 0))
        return counts[-1] >= 2

    probed.until("http-breaks", fits)
    assert counts == sorted(counts)


def test_ready_no_sooner_than_it_is_asked(probed: Space) -> None:
    found = probed.until("late", is_ready)
    began = datetime.fromisoformat(status_of(found)["state"]["running"]["startedAt"])
    ready = datetime.fromisoformat(condition(found, "Ready")["lastTransitionTime"])
    assert (ready - began).total_seconds() >= 3 and status_of(found)["restartCount"] == 0


def test_who_is_well_goes_on(probed: Space) -> None:
    """By now the others have been started again."""
    for name in ALIVE:
        assert status_of(probed.ready(name))["restartCount"] == 0
    found = probed.until("never", lambda one: "running" in status_of(one).get("state", {}))
    assert not is_ready(found) and status_of(found)["restartCount"] == 0


# Hooks


def test_hooks(space: Space) -> None:
    """Each tells a server, after the start and before the end, by a command and by a request."""
    space.server("server", 8080)
    address = space.ready("server")["status"]["podIP"]

    def told() -> set[str]:
        return set(" ".join(space.answers("server", "http", address, 8080, 1, "/recorded")).split())

    for when in ("postStart", "preStop"):
        ways: dict[str, Object] = {
            "exec": {"exec": {"command": ["sh", "-c", f"wget -qO- http://{address}:8080/record/{when}-exec"]}},
            "http": {"httpGet": {"host": address, "port": 8080, "path": f"/record/{when}-http"}},
        }
        for way, hook in ways.items():
            main = container(lifecycle={when: hook})
            space.run(f"{when.lower()}-{way}", main, terminationGracePeriodSeconds=30)
    names = [f"{when}-{way}" for when in ("poststart", "prestop") for way in ("exec", "http")]
    for name in names:
        space.ready(name)
    eventually(lambda: told() == {"postStart-exec", "postStart-http"}, lambda: str(told()), seconds=60)
    for name in names:
        space.delete("pods", name)
    for name in names:
        space.gone(name)
    every = {"postStart-exec", "postStart-http", "preStop-exec", "preStop-http"}
    eventually(lambda: told() == every, lambda: str(told()), seconds=60)

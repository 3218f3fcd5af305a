"""What the API says of itself, of the host, of errors, and how paths find operations."""

from __future__ import annotations

import re

import pytest

from corral import errors
from corral.api.docker.errors import status_of
from corral.api.docker.info import abilities, count_states, warnings
from corral.api.docker.render_stats import stats_json
from corral.api.docker.routes import ROUTES
from corral.api.docker.routing import Router
from corral.api.docker.versions import check_version, parse_version, split_version
from corral.engine.host import HostInfo
from corral.model.container import Container, ContainerSpec, State
from corral.model.stats import BlockIo, CgroupStats, Stats

# Every operation of the API's public description, version 1.51: method, then path.
DESCRIBED = """
GET /containers/json | POST /containers/create | GET /containers/{id}/json | GET /containers/{id}/top
GET /containers/{id}/logs | GET /containers/{id}/changes | GET /containers/{id}/export | GET /containers/{id}/stats
POST /containers/{id}/resize | POST /containers/{id}/start | POST /containers/{id}/stop | POST /containers/{id}/restart
POST /containers/{id}/kill | POST /containers/{id}/update | POST /containers/{id}/rename | POST /containers/{id}/pause
POST /containers/{id}/unpause | POST /containers/{id}/attach | GET /containers/{id}/attach/ws
POST /containers/{id}/wait | DELETE /containers/{id} | HEAD /containers/{id}/archive | GET /containers/{id}/archive
PUT /containers/{id}/archive | POST /containers/prune | GET /images/json | POST /build | POST /build/prune
POST /images/create | GET /images/{name}/json | GET /images/{name}/history | POST /images/{name}/push
POST /images/{name}/tag | DELETE /images/{name} | GET /images/search | POST /images/prune | POST /auth | GET /info
GET /version | GET /_ping | HEAD /_ping | POST /commit | GET /events | GET /system/df | GET /images/{name}/get
GET /images/get | POST /images/load | POST /containers/{id}/exec | POST /exec/{id}/start | POST /exec/{id}/resize
GET /exec/{id}/json | GET /volumes | POST /volumes/create | GET /volumes/{name} | PUT /volumes/{name}
DELETE /volumes/{name} | POST /volumes/prune | GET /networks | GET /networks/{id} | DELETE /networks/{id}
POST /networks/create | POST /networks/{id}/connect | POST /networks/{id}/disconnect | POST /networks/prune
GET /plugins | GET /plugins/privileges | POST /plugins/pull | GET /plugins/{name}/json | DELETE /plugins/{name}
POST /plugins/{name}/enable | POST /plugins/{name}/disable | POST /plugins/{name}/upgrade | POST /plugins/create
POST /plugins/{name}/push | POST /plugins/{name}/set | GET /nodes | GET /nodes/{id} | DELETE /nodes/{id}
POST /nodes/{id}/update | GET /swarm | POST /swarm/init | POST /swarm/join | POST /swarm/leave | POST /swarm/update
GET /swarm/unlockkey | POST /swarm/unlock | GET /services | POST /services/create | GET /services/{id}
DELETE /services/{id} | POST /services/{id}/update | GET /services/{id}/logs | GET /tasks | GET /tasks/{id}
GET /tasks/{id}/logs | GET /secrets | POST /secrets/create | GET /secrets/{id} | DELETE /secrets/{id}
POST /secrets/{id}/update | GET /configs | POST /configs/create | GET /configs/{id} | DELETE /configs/{id}
POST /configs/{id}/update | GET /distribution/{name}/json | POST /session
"""


def test_every_operation_of_the_description_is_there() -> None:
    router, missing = Router(ROUTES), []
    for operation in re.split(r"[|\n]", DESCRIBED.strip()):
        method, path = operation.split()
        if router.find(method, re.sub(r"\{\w+\}", "some/name:1", path)) is None:
            missing.append(operation)
    assert missing == []


def test_written_out_paths_win_over_names() -> None:
    async def named(*_: object) -> None: ...
    async def exact(*_: object) -> None: ...

    router = Router([("GET", "/images/{name}/get", named), ("GET", "/images/get", exact)])  # type: ignore[list-item]
    assert router.find("GET", "/images/get") is exact
    assert router.find("GET", "/images/a/get") is named
    assert router.find("POST", "/images/get") is None


@pytest.mark.parametrize("path", ["/vx/info", "/v/info", "/version", "/v1.41"])
def test_what_is_no_version(path: str) -> None:
    assert split_version(path) == ("", path)


@pytest.mark.parametrize("text", ["1.24", "1.51", "1.40"])
def test_versions_that_are_spoken(text: str) -> None:
    check_version(text)


@pytest.mark.parametrize("text", ["1.23", "1", "0.9", "1.52", "2", "2.0", "1..2", "999999999999.1"])
def test_versions_that_are_not(text: str) -> None:
    with pytest.raises(errors.InvalidInput):
        check_version(text)
    assert parse_version(text)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidInput(""), 400),
        (errors.Unsupported(""), 501),
        (errors.NotFound(""), 404),
        (errors.Conflict(""), 409),
        (errors.Unchanged(""), 304),
        (errors.Forbidden(""), 403),
        (errors.Unavailable(""), 503),
        (errors.NoSpace(""), 500),
        (errors.RuntimeFailed("", 126), 400),
        (errors.RuntimeFailed("", 125), 500),
        (errors.CorralError(""), 500),
    ],
)
def test_status_codes(error: errors.CorralError, status: int) -> None:
    assert status_of(error) == status


def test_each_container_is_counted_once() -> None:
    states = ("created", "running", "paused", "restarting", "exited", "dead")
    spec = ContainerSpec("x")
    counts = count_states([Container(s, s, 0, "", spec, state=State(s)) for s in states])  # type: ignore[arg-type]
    assert counts == {
        "Containers": 6,
        "ContainersRunning": 1,
        "ContainersPaused": 1,
        "ContainersStopped": 4,
    }


def test_a_host_that_lacks_controllers_is_warned_of() -> None:
    good = HostInfo(cgroup_controllers=["cpu", "memory", "pids", "cpuset"])
    assert warnings(abilities(good, forwarding=True)) == []
    assert warnings(abilities(good, forwarding=False)) == ["WARNING: IPv4 forwarding is disabled"]
    assert warnings(abilities(HostInfo(cgroup_controllers=["cpu", "pids", "cpuset"]), forwarding=True)) == [
        "WARNING: No memory limit support",
        "WARNING: No swap limit support",
    ]


def test_stats_with_both_versions_of_cgroups() -> None:
    blocks = [BlockIo(8, 0, "read", 5)]
    new = CgroupStats(2, cpu_total=7, memory_usage=3, memory_limit=10, pids=1, io_bytes=blocks)
    shown = stats_json("web", "id", Stats(1, new, 9, 2), None, 100)
    assert shown["pids_stats"] == {"current": 1, "limit": (1 << 64) - 1}
    assert shown["blkio_stats"]["io_service_bytes_recursive"] == [{"major": 8, "minor": 0, "op": "read", "value": 5}]
    assert shown["blkio_stats"]["io_serviced_recursive"] is None
    assert shown["memory_stats"] == {"usage": 3, "limit": 10}
    assert "percpu_usage" not in shown["cpu_stats"]["cpu_usage"] and "networks" not in shown
    old = CgroupStats(1, per_cpu=[3, 4], memory_limit=1 << 63, memory_max_usage=8, memory_fail_count=2)
    shown = stats_json("web", "id", Stats(2, old), Stats(1, old), 100)
    assert shown["cpu_stats"]["cpu_usage"]["percpu_usage"] == [3, 4]
    assert shown["memory_stats"] == {"max_usage": 8, "failcnt": 2, "limit": 100}
    assert shown["blkio_stats"]["io_time_recursive"] == [] and shown["pids_stats"] == {}
    assert shown["precpu_stats"] == shown["cpu_stats"]

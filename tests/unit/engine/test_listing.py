"""Which containers a list or a prune is about."""

from typing import Any

import pytest

from corral.engine.listing import ShownPort, plan_prune, select, shown_ports
from corral.errors import InvalidInput, NotFound
from corral.model.container import (
    BoundPort,
    Container,
    ContainerSpec,
    Endpoint,
    Health,
    MountPoint,
    NetworkSpec,
    PortBinding,
    State,
)


def container(n: int, name: str, state: State, image: str = "sha256:i", **spec: Any) -> Container:
    return Container(f"{n:x}" * 64, name, n, image, ContainerSpec("busybox", **spec), state=state)


WEB = container(
    1, "web", State("running", started_at=1, health=Health("healthy")), labels={"tier": "front", "env": "prod"},
    exposed_ports=["80/tcp", "443/tcp"],
)  # fmt: skip
WEB.endpoints = {"bridge": Endpoint("bridge", "b" * 64, "e" * 64)}
WEB.ports = [BoundPort(80, "tcp", "0.0.0.0", 8080)]
DB = container(2, "db", State("exited", started_at=1, finished_at=2, exit_code=3), labels={"env": "prod"})
DB.mount_points = [MountPoint("volume", "/v/data", "/data", name="data")]
JOB = container(3, "job", State("created"), "sha256:child", network=NetworkSpec(mode="host"))
WEB2 = container(4, "web2", State("paused", started_at=1), network=NetworkSpec(mode="none"))
ALL = [WEB, DB, JOB, WEB2]


def names(filters: dict[str, list[str]] | None = None, **options: Any) -> list[str]:
    return [c.name for c in select(ALL, filters or {}, **options)]


def test_running_ones_newest_first() -> None:
    assert names() == ["web2", "web"]
    assert names(all=True) == ["web2", "job", "db", "web"]
    assert names(limit=3) == ["web2", "job", "db"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"name": ["web"]}, ["web2", "web"]),
        ({"name": ["^/web$"]}, ["web"]),
        ({"name": ["("]}, []),
        ({"id": ["22"]}, ["db"]),
        ({"id": ["22", "33"]}, ["job", "db"]),
        ({"status": ["exited", "created"]}, ["job", "db"]),
        ({"exited": ["3"]}, ["db"]),
        ({"exited": ["0"]}, []),
        ({"health": ["healthy"]}, ["web"]),
        ({"health": ["none"]}, ["web2", "job", "db"]),
        ({"label": ["env=prod"]}, ["db", "web"]),
        ({"label": ["env=prod", "tier"]}, ["web"]),
        ({"label!": ["tier"]}, ["web2", "job", "db"]),
        ({"volume": ["data"]}, ["db"]),
        ({"volume": ["/data"]}, ["db"]),
        ({"network": ["host"]}, ["job"]),
        ({"network": ["bbbb"]}, ["web"]),
        ({"network": ["bridge"]}, ["db", "web"]),
        ({"publish": ["8080"]}, ["web"]),
        ({"publish": ["8000-9000/udp"]}, []),
        ({"expose": ["443/tcp"]}, ["web"]),
        ({"before": ["job"]}, ["db", "web"]),
        ({"since": ["db"]}, ["web2", "job"]),
        ({"since": ["1111"], "before": ["web2"]}, ["job", "db"]),
        ({"is-task": ["true"]}, []),
        ({"is-task": ["false"], "name": ["job"]}, ["job"]),
        ({"ancestor": ["child"]}, ["job"]),
        ({"ancestor": ["missing"]}, []),
    ],
)
def test_filters(filters: dict[str, list[str]], expected: list[str]) -> None:
    families = {"child": {"sha256:child"}}
    assert names(filters, all=True, image_family=lambda ref: families.get(ref, set())) == expected


def test_a_status_asks_for_stopped_ones_too() -> None:
    assert names({"status": ["exited"]}) == ["db"]
    assert names({"exited": ["3"]}) == []


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"colour": ["red"]}, "invalid filter 'colour'"),
        (
            {"status": ["fine"]},
            "invalid filter 'status=fine': invalid value for state (fine): must be one of created, running, paused, "
            "restarting, removing, exited, dead",
        ),
        (
            {"health": ["fine"]},
            "invalid filter 'health=fine': invalid value for health (fine): "
            "must be one of none, starting, healthy, unhealthy",
        ),
        ({"exited": ["x"]}, "invalid filter 'exited=x': strconv.Atoi: parsing \"x\": invalid syntax"),
        ({"is-task": ["maybe"]}, "invalid filter 'is-task=[maybe]'"),
        ({"publish": ["0:80"]}, "filter for 'publish' should not contain ':': 0:80"),
        ({"expose": ["x"]}, 'error while looking up for expose x: invalid port: "x"'),
    ],
)
def test_filters_that_make_no_sense(filters: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        names(filters)
    assert error.value.message == message


def test_before_nothing() -> None:
    with pytest.raises(NotFound, match="No such container: nope"):
        names({"before": ["nope"]})


def test_ports() -> None:
    assert shown_ports(WEB) == [ShownPort(80, "tcp", 8080, "0.0.0.0"), ShownPort(443, "tcp")]
    assert shown_ports(DB) == []
    unbound = container(5, "u", State("running"), network=NetworkSpec(ports=[PortBinding(53, "udp")]))
    assert shown_ports(unbound) == []  # it has no place in a network
    unbound.endpoints = WEB.endpoints
    assert shown_ports(unbound) == [ShownPort(53, "udp")]


def test_prune() -> None:
    assert [c.name for c in ALL if plan_prune({}, 0)(c)] == ["web", "db", "job", "web2"]
    assert [c.name for c in ALL if plan_prune({"until": ["x"]}, 2)(c)] == ["web", "db"]
    assert [c.name for c in ALL if plan_prune({"label!": ["tier"], "label": ["env"]}, 0)(c)] == ["db"]
    with pytest.raises(InvalidInput, match="invalid filter 'name'"):
        plan_prune({"name": ["x"]}, 0)

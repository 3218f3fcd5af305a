"""Three tiers of real programs, up by Compose: used, scaled, updated, their daemon killed, taken down and up again."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import ahead, debian
from tests.support.compose import CACHE, compose_v2
from tests.support.instance import Instance, instance
from tests.support.wait import eventually

PACKAGES = ("nginx-light", "postgresql", "redis-server", "python3", "python3-psycopg2", "python3-redis")
IMAGE = "corral-test/tiers:base"
HERE = Path(__file__).parent / "tiers"


def _rootfs() -> Path:
    place = CACHE / f"debian-tiers-{hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:12]}.tar"
    if not place.exists():
        debian.extended(place, PACKAGES)
    return place


rootfs = ahead.Work(_rootfs)  # the tar of a Debian with all of it; half a minute at the first call
pytestmark = [
    *(pytest.mark.root, pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(900)),
    pytest.mark.ahead.with_args(rootfs, compose_v2),
]


class Stack:
    def __init__(self, engine: Instance, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        shutil.copytree(HERE, folder, dirs_exist_ok=True)

    def compose(self, *words: str, **env: str) -> str:
        done = subprocess.run(
            [compose_v2(), *words],
            cwd=self.folder,
            env=self.engine.env({"COMPOSE_ANSI": "never", **env}),
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"compose {' '.join(words)}: {done.stdout}{done.stderr}{self.engine.log[-2000:]}"
        return done.stdout

    def up(self, *words: str, **env: str) -> None:
        """Up, and nginx serves: that it runs is all that Compose waits for."""
        self.compose("up", "-d", "--wait", *words, **env)
        eventually(self._is_well, "nginx serves", seconds=60)

    def _is_well(self) -> bool:
        connection = self.connection()
        try:
            connection.request("GET", "/well")
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        host, _, port = self.compose("port", "nginx", "80").strip().rpartition(":")
        return http.client.HTTPConnection(host, int(port), timeout=30)

    def ask(self, body: str = "") -> Any:
        connection = self.connection()
        try:
            connection.request("POST" if body else "GET", "/notes", body.encode() or None)
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status == 200, data
            return json.loads(data)
        finally:
            connection.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with instance(image=False) as engine:
        engine.import_image((IMAGE,), rootfs=rootfs().read_bytes())
        made = Stack(engine, tmp_path_factory.mktemp("tiers"))
        made.up("--quiet-pull")
        yield made
        made.compose("down", "-v", "-t", "2")


def test_it_is_used(stack: Stack) -> None:
    stack.ask("grass")
    first, second = stack.ask(), stack.ask()
    assert first["notes"] == ["grass"]
    assert second["visits"] == first["visits"] + 1


def test_it_is_scaled(stack: Stack) -> None:
    stack.up("--no-recreate", "--scale", "app=3")
    seen: set[str] = set()
    eventually(lambda: seen.add(stack.ask()["host"]) or len(seen) == 3, lambda: f"all three answer: {seen}", seconds=60)
    stack.up("--no-recreate", "--scale", "app=1")


def test_it_is_updated(stack: Stack) -> None:
    before = stack.compose("ps", "-q", "postgres")
    stack.up(RELEASE="two")
    eventually(lambda: _release(stack) == "two", "the new release answers", seconds=60)
    assert stack.compose("ps", "-q", "postgres") == before


def _release(stack: Stack) -> str:
    """Nginx keeps the old address for a second."""
    try:
        return str(stack.ask()["release"])
    except (AssertionError, OSError):
        return ""


def test_a_killed_daemon_drops_no_connection(stack: Stack) -> None:
    connection = stack.connection()
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    lines = [answer.readline() for _ in range(3)]
    stack.engine.kill_daemon()
    lines += [answer.readline() for _ in range(10)]
    stack.engine.up()
    lines += [answer.readline() for _ in range(10)]
    connection.close()
    assert lines == [b"%d\n" % n for n in range(1, 24)]
    stack.ask("clover")
    assert stack.ask()["notes"][-1] == "clover"


def test_the_data_outlive_it(stack: Stack) -> None:
    before = stack.ask()
    stack.compose("down")
    assert stack.engine.get("/containers/json", query={"all": 1}).json == []
    stack.up()
    after = stack.ask()
    assert after["notes"] == before["notes"]
    assert after["visits"] == before["visits"] + 1

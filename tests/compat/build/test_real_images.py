"""Images as people build them: nginx, redis, PostgreSQL and a Flask application from packages; built, started, used."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import debian
from tests.support.instance import Instance, instance
from tests.support.wait import eventually

HERE = Path(__file__).parent
BASE = "corral-test/debian:base"

pytestmark = [
    *(pytest.mark.root, pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(900)),
    pytest.mark.ahead.with_args(debian.base),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    rootfs = debian.base().read_bytes()
    with instance("--registry", "off", image=False) as subject:
        subject.import_image((BASE,), ['CMD ["bash"]'], rootfs=rootfs)
        yield subject
        for container in subject.get("/containers/json", query={"all": 1}).json:
            subject.remove(container["Id"])


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "context"
    shutil.copytree(HERE / "real", folder)
    debian.write_host_settings(folder / "host")
    return folder


def build(engine: Instance, context: Path, target: str) -> str:
    tag = f"corral-test/{target}:1"
    words = ["build", "-q", "--target", target, "-t", tag, *debian.proxies(), "."]
    done = engine.docker(*words, cwd=context, env={"DOCKER_BUILDKIT": "0"}, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return tag


def start(engine: Instance, image: str, port: int) -> tuple[str, int]:
    """The container, and the port of this host that leads to its port."""
    id = engine.docker("run", "-d", "-p", f"127.0.0.1::{port}", image, check=True).stdout.strip()
    published = engine.docker("port", id, f"{port}/tcp", check=True).stdout.split()[0]
    return id, int(published.rpartition(":")[2])


def fetched(engine: Instance, id: str, url: str) -> str:
    def answered() -> str:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    return str(eventually(answered, lambda: f"{url} answers: {engine.output(id)}", seconds=30))


def test_nginx(engine: Instance, context: Path) -> None:
    id, port = start(engine, build(engine, context, "nginx"), 8080)
    assert fetched(engine, id, f"http://127.0.0.1:{port}/") == "served by nginx\n"
    engine.docker("stop", "-t", "60", id, check=True)  # the instance's own second is too short for a busy machine
    assert engine.inspect(id)["State"]["ExitCode"] == 0, "SIGQUIT lets nginx end well"


def test_redis(engine: Instance, context: Path) -> None:
    id, port = start(engine, build(engine, context, "redis"), 6379)

    def ask(words: bytes) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as link:
                link.sendall(words + b"\r\n")
                return link.recv(100)
        except OSError:
            return b""

    eventually(lambda: ask(b"PING") == b"+PONG\r\n", lambda: f"redis answers: {engine.output(id)}", seconds=30)
    assert ask(b"SET herd 7") == b"+OK\r\n"
    assert ask(b"GET herd") == b"$1\r\n7\r\n"
    assert engine.execute(id, "id", "-un") == (0, "redis\n")


def test_postgres(engine: Instance, context: Path) -> None:
    image = build(engine, context, "postgres")
    id = engine.docker("run", "-d", image, check=True).stdout.strip()

    def healthy() -> bool:
        return bool(engine.inspect(id)["State"]["Health"]["Status"] == "healthy")

    eventually(healthy, lambda: f"postgres is healthy: {engine.output(id)}", seconds=60)
    assert engine.execute(id, "psql", "-Atc", "select word from made") == (0, "while building\n")


def test_flask(engine: Instance, context: Path) -> None:
    """By our own command; a second build after a change of the application does only the last step again."""
    command = [*_corral(engine), "build", "--target", "flask", "-t", "corral-test/flask:1", *debian.proxies(), "."]
    done = subprocess.run(command, cwd=context, capture_output=True, text=True, timeout=600, env=dict(os.environ))
    assert done.returncode == 0, done.stderr[-4000:]
    id, port = start(engine, "corral-test/flask:1", 5000)
    assert json.loads(fetched(engine, id, f"http://127.0.0.1:{port}/hello/world")) == {"hello": "world"}
    app = context / "flask/app.py"
    app.write_text(app.read_text().replace('"hello"', '"bye"'))
    done = subprocess.run(command, cwd=context, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert done.returncode == 0, done.stderr[-4000:]
    ran = [line for line in done.stderr.splitlines() if "RUN" in line]
    cached = done.stderr.count(" CACHED\n")
    assert cached >= len(ran), "no RUN was done again"
    id, port = start(engine, "corral-test/flask:1", 5000)
    assert json.loads(fetched(engine, id, f"http://127.0.0.1:{port}/hello/world")) == {"bye": "world"}


def _corral(engine: Instance) -> list[str]:
    from tests.support.instance import corral_command

    return [*corral_command(), "--root", str(engine.root)]

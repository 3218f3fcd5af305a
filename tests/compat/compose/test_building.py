"""`compose build` and `compose up --build`, by both Composes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compose import compose_v1, compose_v2
from tests.support.instance import Instance, corral_command, instance

pytestmark = [pytest.mark.root, pytest.mark.timeout(180), pytest.mark.ahead.with_args(compose_v2)]
STACK = """\
version: "3.9"
services:
  web:
    image: built-web:1
    build:
      context: app
      target: one
      args: {V: "7"}
      labels: {a: b}
    command: [cat, /v]
  other:
    build: app
    command: [cat, /two]
"""
DOCKERFILE = "FROM busybox AS one\nARG V=1\nRUN echo value $V > /v\nFROM one\nRUN echo two > /two\n"


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    with instance("--registry", "off") as subject:
        yield subject
        subject.remove_everything()


@pytest.fixture(params=["new", "classic", "through us", pytest.param("old", marks=pytest.mark.peers)])
def client(request: pytest.FixtureRequest, engine: Instance) -> tuple[list[str], dict[str, str]]:
    """Its command, and what must be set for it. Our own command finds the binary as a plugin of the docker client."""
    if request.param in ("new", "classic"):
        return [str(compose_v2())], {"DOCKER_BUILDKIT": "0"} if request.param == "classic" else {}
    if request.param == "through us":
        plugin = Path(engine.env()["DOCKER_CONFIG"]) / "cli-plugins/docker-compose"
        plugin.parent.mkdir(parents=True, exist_ok=True)
        plugin.unlink(missing_ok=True)
        plugin.symlink_to(compose_v2())
        return [*corral_command(), "--root", str(engine.root), "compose"], {}
    return [str(compose_v1())], {}


def test_it_builds_and_runs(engine: Instance, client: tuple[list[str], dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "docker-compose.yml").write_text(STACK)
    command, more = client
    env = {name: value for name, value in engine.env().items() if name != "DOCKER_BUILDKIT"} | more

    def compose(*words: str) -> str:
        done = subprocess.run([*command, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    said = compose("-p", "built", "build", "--no-cache", "web")
    if more or command[0] == "/usr/bin/docker-compose":
        assert " ---> Running in " in said
        assert said.count("Successfully built ") == 1
    else:
        assert "[web internal] load build definition from Dockerfile" in said
    assert engine.inspect_image("built-web:1")["Config"]["Labels"]["a"] == "b"
    lines = compose("-p", "built", "up", "--build", "--no-color").splitlines()  # until both have ended
    assert {"value 7", "two"} <= {line.rpartition("| ")[2].strip() for line in lines}
    compose("-p", "built", "down", "--rmi", "all")


WITH_ALL = """\
services:
  web:
    build:
      context: app
      secrets: [token]
      additional_contexts: {more: ./more, below: "service:base"}
      extra_hosts: ["db:10.1.2.3"]
      tags: ["also:1"]
    command: [cat, /all]
  base:
    build:
      dockerfile_inline: |
        FROM busybox
        RUN echo base > /all
secrets:
  token: {file: ./token}
"""
ALL = """\
FROM below
COPY --from=more m /m
RUN --mount=type=secret,id=token cat /m /run/secrets/token >> /all; grep -c 10.1.2.3 /etc/hosts >> /all
"""


def test_what_only_buildkit_carries(engine: Instance, tmp_path: Path) -> None:
    for name, text in {"app/Dockerfile": ALL, "more/m": "more\n", "token": "hush\n", "compose.yaml": WITH_ALL}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def compose(*words: str) -> str:
        command = [str(compose_v2()), "-p", "all", *words]
        done = subprocess.run(command, cwd=tmp_path, env=engine.env(), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    compose("build", "--no-cache")
    assert engine.inspect_image("also:1")["Id"] == engine.inspect_image("all-web")["Id"]
    assert "\nbase\nmore\nhush\n1\n" in "\n" + compose("run", "--rm", "-T", "web")
    compose("down", "--rmi", "all")

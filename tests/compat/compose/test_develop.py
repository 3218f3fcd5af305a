"""Developing with Compose: images from our registry and from here, watched files, and the less daily verbs."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.compose import compose_v2
from tests.support.instance import Instance
from tests.support.instance import instance as running_instance
from tests.support.ports import free_port
from tests.support.wait import eventually

pytestmark = [
    *(pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)),
    pytest.mark.ahead.with_args(compose_v2),
]

HERE = Path(__file__).parent / "develop"


class Stack:
    def __init__(self, engine: Instance, folder: Path, registry: str) -> None:
        self.engine, self.folder, self.registry = engine, folder, registry
        shutil.copytree(HERE, folder, dirs_exist_ok=True)
        self._env = engine.env({"COMPOSE_ANSI": "never", "REGISTRY": registry})

    def compose(self, *words: str, code: int = 0) -> str:
        """What is printed, on both streams."""
        done = subprocess.run(
            [compose_v2(), *words],
            cwd=self.folder, env=self._env, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, f"compose {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    @contextmanager
    def begun(self, *words: str, until: str) -> Iterator[subprocess.Popen[str]]:
        """One that goes on, from where it has said `until`; ended by SIGINT if it has not ended by itself."""
        log = self.folder.with_name("said")
        with log.open("w") as out:
            process = subprocess.Popen(
                [compose_v2(), *words],
                cwd=self.folder, env=self._env, stdout=out, stderr=out, stdin=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        try:
            eventually(lambda: re.search(until, log.read_text()), lambda: f"{until!r} in {log.read_text()}", seconds=30)
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)

    def inside(self, service: str, *words: str) -> str:
        return self.compose("exec", "-T", service, *words)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    registry = f"127.0.0.1:{free_port()}"
    with running_instance("--registry", registry) as engine:
        image = f"{registry}/team/app:1"
        for words in (("tag", "busybox", image), ("push", "-q", image), ("rmi", image)):
            engine.docker(*words, check=True)
        made = Stack(engine, tmp_path_factory.mktemp("develop") / "stack", registry)
        yield made
        made.compose("down", "-t", "1", "-v", "--rmi", "local")


@pytest.fixture(autouse=True)
def up(stack: Stack) -> None:
    stack.compose("up", "-d", "--quiet-pull", "--wait")


def test_images_come_from_our_registry_and_from_here(stack: Stack) -> None:
    assert "app Pulled" in stack.compose("pull", "--ignore-buildable")
    assert "naming to docker.io/library/flock-made" in stack.compose("--progress", "plain", "build")
    images = stack.compose("config", "--images").split()  # in no promised order
    assert sorted(images) == [f"{stack.registry}/team/app:1", "flock-made"]
    assert stack.inside("made", "cat", "/who") == "first\n"


def test_files_are_watched(stack: Stack) -> None:
    with stack.begun("watch", until="Watch enabled"):
        (stack.folder / "site/index.html").write_text("two")
        eventually(lambda: stack.inside("app", "cat", "/www/index.html") == "two", "the file is brought in", seconds=30)
        (stack.folder / "site/index.html").unlink()
        eventually(lambda: stack.inside("app", "ls", "/www") == "", "and taken away", seconds=30)
        started = stack.engine.inspect("flock-app-1")["State"]["StartedAt"]
        (stack.folder / "conf/mood").write_text("wild")
        eventually(
            lambda: stack.engine.inspect("flock-app-1")["State"]["StartedAt"] != started, "a restart", seconds=30
        )
        # What is written is emptied first: that may have been brought in, and be another restart, before the rest.
        eventually(lambda: stack.inside("app", "cat", "/etc/conf/mood") == "wild", "the whole file", seconds=30)
        (stack.folder / "made/who").write_text("second\n")
        eventually(lambda: stack.inside("made", "cat", "/who") == "second\n", "another image", seconds=60)


def test_what_runs_once(stack: Stack) -> None:
    said = stack.compose("run", "--rm", "-T", "-u", "9", "-w", "/etc", "-v", f"{stack.folder}/conf:/mnt:ro", "app",
                         "sh", "-c", "id -u; pwd; ls /mnt")  # fmt: skip
    assert said.split() == ["9", "/etc", "mood"]
    assert "hi" in stack.compose("run", "--rm", "-T", "--service-ports", "--entrypoint", "echo", "app", "hi")
    stack.compose("run", "--rm", "-d", "--name", "flock-beside", "-p", "127.0.0.1::80", "app")
    assert stack.engine.inspect("flock-beside")["NetworkSettings"]["Ports"]["80/tcp"]
    stack.engine.remove("flock-beside")


def test_several_of_a_service(stack: Stack) -> None:
    stack.compose("scale", "app=2")
    second = stack.engine.inspect("flock-app-2")
    assert stack.compose("exec", "-T", "--index", "2", "app", "hostname").strip() == second["Config"]["Hostname"]
    port = second["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    assert stack.compose("port", "--index", "2", "app", "80").strip() == f"127.0.0.1:{port}"
    stack.compose("cp", "--all", "conf/mood", "app:/tmp/mood")
    for n in ("1", "2"):
        assert stack.compose("exec", "-T", "--index", n, "app", "cat", "/tmp/mood")
    stack.compose("up", "-d", "--scale", "app=1")
    assert stack.engine.get("/containers/flock-app-2/json").status == 404


def test_containers_become_tars_and_images(stack: Stack) -> None:
    stack.compose("export", "-o", "app.tar", "app")
    with tarfile.open(stack.folder / "app.tar") as tar:
        assert "bin/busybox" in tar.getnames()
    stack.compose("commit", "-m", "kept", "app", "flock-kept:1")
    assert stack.engine.inspect_image("flock-kept:1")["Comment"] == "kept"


def test_who_is_attached_hears_and_is_told_of_the_end(stack: Stack) -> None:
    with stack.begun("attach", "--no-stdin", "made", until="") as attached:
        eventually(lambda: _attached(stack, "flock-made-1"), "somebody is attached", seconds=30)
        stack.inside("made", "sh", "-c", "echo heard >/proc/1/fd/1")
        stack.compose("kill", "made")
        assert attached.wait(30) == 137
    assert "heard" in stack.folder.with_name("said").read_text()


def _attached(stack: Stack, name: str) -> str:
    """Attaching is an event."""
    filters = ("--filter", "event=attach", "--filter", f"container={name}")
    return stack.engine.docker("events", "--since", "1h", "--until", "0s", *filters, check=True).stdout

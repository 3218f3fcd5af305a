"""The real clients against the API: Docker's own command line, and docker-py."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound
from docker.models.containers import Container

from tests.support.fake_server import FakeServer
from tests.support.terminal import Terminal
from tests.support.tools import needs
from tests.support.wait import eventually

needs_cli = needs("docker")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    with FakeServer(str(tmp_path / "d.sock")) as server:
        yield server


class Cli:
    """`cli("ps", "-a")` runs the client: (exit code, standard output, standard error)."""

    def __init__(self, server: FakeServer, config: Path) -> None:
        self.env = {**os.environ, "DOCKER_HOST": server.url, "DOCKER_CONFIG": str(config), "LC_ALL": "C"}

    def __call__(self, *args: str, typed: str = "", **env: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["docker", *args], input=typed, capture_output=True, text=True, timeout=60, env={**self.env, **env}
        )
        return done.returncode, done.stdout, done.stderr

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["docker", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env
        )

    def terminal(self, *args: str) -> Terminal:
        return Terminal(["docker", *args], self.env)


@pytest.fixture
def cli(server: FakeServer, tmp_path: Path) -> Cli:
    return Cli(server, tmp_path)


@pytest.fixture
def client(server: FakeServer) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=server.url, version="auto", timeout=60)
    yield client
    client.close()


# Docker's command line


def no_such(name: str) -> tuple[str, str]:
    """In the words of newer clients, and of older ones."""
    return f"Error response from daemon: No such container: {name}\n", f"Error: No such container: {name}\n"


@needs_cli
def test_who_is_there(cli: Cli) -> None:
    code, out, err = cli("version", "--format", "{{.Server.APIVersion}} {{.Server.Os}}/{{.Server.Arch}}")
    assert (code, out, err) == (0, "1.51 linux/amd64\n", "")
    code, out, err = cli("info")
    # Clients before 28.2 warn of what newer daemons say to every older client.
    warnings = [line for line in (err + out).splitlines() if "WARNING" in line and "bridge-nf-call" not in line]
    assert (code, warnings) == (0, [])
    for line in ("Swarm: inactive", "Default Runtime: runc", "Cgroup Version: 2", "Live Restore Enabled: true"):
        assert line in out


@needs_cli
@pytest.mark.parametrize("version", ["1.24", "1.41", "1.44", "1.50"])
def test_older_versions(cli: Cli, version: str) -> None:
    assert cli("run", "--rm", "busybox", "echo", "hi", DOCKER_API_VERSION=version) == (0, "hi\n", "")


@needs_cli
def test_run(cli: Cli) -> None:
    assert cli("run", "--rm", "busybox", "both") == (0, "out\n", "err\n")
    assert cli("run", "--rm", "-i", "busybox", "cat", typed="piped") == (0, "piped", "")
    assert cli("run", "--rm", "busybox", "false", "7")[0] == 7
    code, _, err = cli("run", "--rm", "busybox", "nope")
    assert code == 127 and 'exec: "nope": executable file not found in $PATH' in err
    assert cli("run", "--rm", "nosuch", "true")[0] == 125
    big = "x" * 300_000
    assert cli("run", "--rm", "-i", "busybox", "cat", typed=big) == (0, big, "")


@needs_cli
def test_a_life(cli: Cli) -> None:
    id = cli("run", "-d", "--name", "web", "busybox", "sleep", "9")[1].strip()
    assert cli("ps", "--format", "{{.Names}} {{.Command}} {{.State}}")[1] == 'web "sleep 9" running\n'
    assert cli("inspect", "-f", "{{.State.Status}} {{.Id}}", "web")[1] == f"running {id}\n"
    assert cli("top", "web")[1].split() == ["PID", "CMD", "4711", "sleep", "9"]
    assert cli("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", "web")[1] == "web 5MiB / 8GiB\n"
    waiting = cli.start("wait", "web")
    assert cli("stop", "-t", "0", "web") == (0, "web\n", "")
    assert waiting.communicate(timeout=60) == ("143\n", "")
    assert cli("rm", "web")[0] == 0
    assert cli("rm", "web")[2] in no_such("web")


@needs_cli
def test_logs(cli: Cli, server: FakeServer) -> None:
    cli("run", "-d", "-i", "--name", "box", "busybox", "cat")
    following = cli.start("logs", "-f", "box")
    process = server.engine.containers.live("box").process
    for data in (b"one\n", b"two\n", b""):
        server.loop.call_soon_threadsafe(process.typed.put_nowait, data)
    assert following.communicate(timeout=60) == ("one\ntwo\n", "")
    assert cli("logs", "--tail", "1", "box")[1] == "two\n"
    assert cli("logs", "-t", "box")[1].count("Z ") == 2


@needs_cli
def test_exec(cli: Cli) -> None:
    cli("run", "-d", "--name", "box", "busybox", "sleep")
    assert cli("exec", "box", "both") == (0, "out\n", "err\n")
    assert cli("exec", "-i", "box", "cat", typed="piped") == (0, "piped", "")
    assert cli("exec", "box", "false", "3")[0] == 3
    code, out, err = cli("exec", "box", "nope")
    assert code == 127 and "executable file not found" in out + err
    assert cli("exec", "nope", "true")[2] in no_such("nope")


@needs_cli
def test_a_terminal(cli: Cli, server: FakeServer) -> None:
    with cli.terminal("run", "-it", "--name", "term", "busybox", "sh") as terminal:
        terminal.expect(r"\$ ")
        terminal.send("hello")
        terminal.expect("hello")
        terminal.send("\x10\x11")
        terminal.wait()
    assert server.engine.containers.get("term").state.running
    with cli.terminal("attach", "--detach-keys", "ctrl-x", "term") as terminal:
        terminal.send("again")
        terminal.expect("again")
        terminal.send("\x18")
        terminal.wait()
    with cli.terminal("exec", "-it", "term", "sh") as terminal:
        terminal.expect(r"\$ ")
        terminal.send("exit 4\r")
        assert terminal.wait() == 4


@needs_cli
def test_events(cli: Cli) -> None:
    listening = cli.start(
        "events", "--since", "1", "--filter", "event=die", "--format", "{{.Action}} {{.Actor.Attributes.exitCode}}"
    )
    cli("run", "--rm", "busybox", "false", "5")
    assert listening.stdout is not None and listening.stdout.readline() == "die 5\n"
    listening.send_signal(signal.SIGINT)
    listening.communicate(timeout=60)
    _, out, _ = cli("events", "--since", "1", "--until", str(time.time() + 1), "--format", "{{.Action}}")
    assert out.split() == ["create", "attach", "start", "die", "destroy"]


@needs_cli
def test_what_is_not_there(cli: Cli) -> None:
    assert "not a swarm manager" in cli("service", "ls")[2]
    assert "is not available yet" in cli("swarm", "init")[2]
    assert cli("plugin", "ls", "-q") == (0, "", "")


# docker-py


def test_py_run(client: docker.DockerClient) -> None:
    assert client.ping() and client.version()["ApiVersion"] == "1.51" and client.info()["NCPU"] == 2
    assert client.containers.run("busybox", ["both"], stdout=True, stderr=True, remove=True) == b"out\nerr\n"
    with pytest.raises(ContainerError) as failed:
        client.containers.run("busybox", ["false", "3"])
    assert failed.value.exit_status == 3
    with pytest.raises(ImageNotFound):
        client.containers.create("nosuch").start()
    with pytest.raises(NotFound):
        client.containers.get("nope")
    with pytest.raises(APIError, match="page not found"):
        client.api._result(client.api._get(client.api._url("/nothing")), True)


def detached(client: docker.DockerClient, *command: str, **options: object) -> Container:
    return client.containers.run("busybox", list(command), detach=True, **options)


def test_py_logs_and_wait(client: docker.DockerClient) -> None:
    container = detached(client, "both")
    assert container.wait(timeout=60)["StatusCode"] == 0
    assert container.logs(stdout=True, stderr=False) == b"out\n"
    assert b"".join(container.logs(stream=True, follow=True)) == b"out\nerr\n"
    assert container.logs(timestamps=True, tail=1).endswith(b"Z err\n")


def test_py_exec(client: docker.DockerClient) -> None:
    container = detached(client, "sleep")
    assert container.exec_run(["both"], demux=True) == (0, (b"out\n", b"err\n"))
    assert container.exec_run(["false", "9"]).exit_code == 9
    assert container.exec_run(["echo", "x"], detach=True).output in ("", b"")
    assert b"".join(container.exec_run(["both"], stream=True).output) == b"out\nerr\n"
    _, sock = container.exec_run(["cat"], stdin=True, socket=True)
    sock._sock.sendall(b"ping")
    sock._sock.shutdown(1)
    assert sock.read(64)[8:] == b"ping"
    sock.close()


def test_py_attach(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["cat"], stdin_open=True, tty=True)
    sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    sock._sock.sendall(b"hi")
    assert sock.read(2) == b"hi"
    sock.close()
    assert container.attach(stream=False, logs=True) == b"hi"
    output = client.containers.create("busybox", ["echo", "x"])
    stream = output.attach(stream=True)
    output.start()
    assert b"".join(stream) == b"x\n"


def test_py_events_and_stats(client: docker.DockerClient) -> None:
    events = client.events(decode=True, filters={"type": "container"})
    container = detached(client, "sleep", labels={"a": "b"})
    seen = [next(events)["Action"] for _ in range(2)]
    events.close()
    assert seen == ["create", "start"]
    lines = container.stats(decode=True, stream=True)
    assert next(lines)["name"] == f"/{container.name}"
    lines.close()
    assert container.stats(stream=False)["memory_stats"]["usage"] == 5 << 20
    assert container.top()["Titles"] == ["PID", "CMD"]
    container.resize(10, 20)


def test_many_clients_that_wait_cost_few_threads(client: docker.DockerClient, server: FakeServer) -> None:
    container = detached(client, "sleep")
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(container.wait()["StatusCode"])) for _ in range(10)]
    for thread in threads:
        thread.start()
    live = server.engine.containers.live(container.id)
    eventually(lambda: len(live.waiters) == 10, "all of them wait", seconds=60)
    container.kill()
    for thread in threads:
        thread.join(60)
    assert results == [137] * 10

"""A Docker-speaking daemon under test, whichever: the ways that the tests talk to it.

`Endpoint` is Corral's instance or a dockerd to compare with; everything here goes through the unix socket.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import docker

from tests.support.images import busybox_rootfs
from tests.support.wait import PATIENCE

BUSYBOX = "busybox:latest"
Json = Any  # decoded JSON
LONG = 60 * PATIENCE  # seconds in which anything has its answer


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Json:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The text of an error answer."""
        return str(self.json["message"])


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def docker_cli() -> str:
    """The newest docker client on PATH.

    :raises AssertionError: there is none.
    """
    path = shutil.which("docker")
    assert path, "these tests need a docker client: install docker.io or docker-cli"
    return path


class Endpoint:
    """`folder` is a private directory for the clients' own configuration."""

    def __init__(self, name: str, socket_path: Path, folder: Path) -> None:
        self.name = name
        self.socket = socket_path
        self.url = f"unix://{socket_path}"
        self._config = folder / "client-config"
        self._client: docker.DockerClient | None = None

    # -- the docker command ------------------------------------------------------------------------------------

    def env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment for a docker client that talks to this daemon and to nothing else."""
        self._config.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        return kept | {"DOCKER_HOST": self.url, "DOCKER_CONFIG": str(self._config), "LC_ALL": "C"} | dict(extra or {})

    def docker(
        self,
        *args: str,
        input: bytes | str = b"",
        timeout: float = LONG,
        check: bool = False,
        cli: str = "",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the docker command to its end. With `check`, a failure is an AssertionError that shows its words."""
        data = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            [cli or docker_cli(), *args], input=data, capture_output=True, timeout=timeout, env=self.env(env), cwd=cwd
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check:
            assert done.returncode == 0, f"docker {' '.join(args)}: exit {done.returncode}\n{out}{err}"
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def popen(self, *args: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start the docker command and leave it running."""
        defaults: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([docker_cli(), *args], env=self.env(), **(defaults | options))

    # -- plain HTTP --------------------------------------------------------------------------------------------

    def connection(self, timeout: float = LONG) -> http.client.HTTPConnection:
        return _UnixConnection(str(self.socket), timeout)

    def request(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = LONG,
        version: str = "v1.41",
    ) -> Answer:
        """One request. `body` is bytes, or JSON to be; `version` "" leaves the prefix away."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = dict(headers or {})
        if data is not None and "Content-Type" not in given:
            given["Content-Type"] = "application/x-tar" if isinstance(body, bytes) else "application/json"
        target = (f"/{version}" if version else "") + quote(path, safe="/:@")
        if query:
            target += "?" + urlencode({k: v if isinstance(v, str | int) else json.dumps(v) for k, v in query.items()})
        connection = self.connection(timeout)
        try:
            connection.request(method, target, data, given)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Json = None, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.request("DELETE", path, **options)

    # -- docker-py ---------------------------------------------------------------------------------------------

    @property
    def client(self) -> docker.DockerClient:
        """docker-py at its own newest API version; one for the endpoint's life."""
        if self._client is None:
            self._client = docker.DockerClient(base_url=self.url, version="auto", timeout=LONG)
        return self._client

    def forget_client(self) -> None:
        """Close docker-py's connections: after the daemon was restarted, or at the end."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # -- what nearly every test needs --------------------------------------------------------------------------

    def import_image(
        self, tags: Sequence[str] = (BUSYBOX,), changes: Sequence[str] = ('CMD ["sh"]',), *, rootfs: bytes = b""
    ) -> str:
        """The image of `rootfs` (busybox) under `tags`; its id."""
        repository, _, tag = tags[0].rpartition(":")
        query = [("fromSrc", "-"), ("repo", repository), ("tag", tag), *(("changes", change) for change in changes)]
        identity = str(self._import(query, rootfs or busybox_rootfs())["status"])
        for other in tags[1:]:
            repository, _, tag = other.rpartition(":")
            tagged = self.post(f"/images/{identity}/tag", query={"repo": repository, "tag": tag})
            assert tagged.status == 201, tagged
        return identity

    def _import(self, query: list[tuple[str, str]], rootfs: bytes) -> Json:
        connection = self.connection()
        try:
            headers = {"Content-Type": "application/x-tar"}
            connection.request("POST", "/v1.41/images/create?" + urlencode(query), rootfs, headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        assert response.status == 200, f"import: {response.status} {body.decode()}"
        last = json.loads(body.decode().strip().splitlines()[-1])
        assert "status" in last, f"import: {last}"
        return last

    def create(self, *command: str, name: str = "", image: str = BUSYBOX, version: str = "v1.41", **config: Any) -> str:
        """A container through the raw API; its id. `config` is the body's other fields, HostConfig among them."""
        body = {"Image": image, "Cmd": list(command)} | config
        answer = self.post("/containers/create", body, query={"name": name} if name else None, version=version)
        assert answer.status == 201, answer
        return str(answer.json["Id"])

    def run(self, *command: str, **config: Any) -> str:
        """`create`, then start."""
        identity = self.create(*command, **config)
        started = self.post(f"/containers/{identity}/start")
        assert started.status == 204, started
        return identity

    def inspect(self, reference: str) -> Json:
        answer = self.get(f"/containers/{reference}/json")
        assert answer.status == 200, answer
        return answer.json

    def inspect_image(self, reference: str) -> Json:
        answer = self.get(f"/images/{reference}/json")
        assert answer.status == 200, answer
        return answer.json

    def wait(self, reference: str, *, condition: str = "not-running") -> int:
        """The exit code, once the container has ended."""
        answer = self.post(f"/containers/{reference}/wait", query={"condition": condition})
        assert answer.status == 200, answer
        return int(answer.json["StatusCode"])

    def output(self, reference: str, *, stdout: bool = True, stderr: bool = True) -> str:
        """What it wrote so far (also for TTY containers), without frames."""
        query = {"stdout": int(stdout), "stderr": int(stderr)}
        answer = self.get(f"/containers/{reference}/logs", query=query)
        assert answer.status == 200, answer
        if self.inspect(reference)["Config"]["Tty"]:
            return answer.body.decode()
        return b"".join(data for _, data in frames(answer.body)).decode()

    def result(self, *command: str, **config: Any) -> tuple[int, str]:
        """Run to the end, remove: exit code and everything it wrote."""
        identity = self.run(*command, **config)
        try:
            return self.wait(identity), self.output(identity)
        finally:
            self.remove(identity)

    def execute(self, reference: str, *command: str, **config: Any) -> tuple[int, str]:
        """Run one more process in a container: exit code and output."""
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True} | config
        made = self.post(f"/containers/{reference}/exec", body)
        assert made.status == 201, made
        identity = made.json["Id"]
        started = self.post(f"/exec/{identity}/start", {"Detach": False, "Tty": False})
        assert started.status == 200, started
        code = self.get(f"/exec/{identity}/json").json["ExitCode"]
        return int(code), b"".join(data for _, data in frames(started.body)).decode()

    def remove(self, reference: str, *, volumes: bool = True) -> None:
        """Force-remove; a container that is gone already is fine."""
        answer = self.delete(f"/containers/{reference}", query={"force": 1, "v": int(volumes)})
        assert answer.status in (204, 404, 409), answer

    def remove_everything(self) -> None:
        """All containers, networks and volumes, and all images but busybox's."""
        for container in self.get("/containers/json", query={"all": 1}).json:
            self.remove(container["Id"])
        self.post("/networks/prune")
        for volume in self.get("/volumes").json["Volumes"] or ():
            self.delete(f"/volumes/{volume['Name']}", query={"force": 1})
        while extra := beyond_busybox(self.get("/images/json").json):
            answers = [self.delete(f"/images/{reference}", query={"force": 1}) for reference in extra]
            assert any(answer.status == 200 for answer in answers), answers  # an image goes after what is made from it


def beyond_busybox(images: Sequence[Json]) -> list[str]:
    """What is to be removed of these images so that only busybox stays, under one name. Pure.

    >>> beyond_busybox([{"Id": "1", "RepoTags": ["busybox:latest", "day:one"]}, {"Id": "2", "RepoTags": []}])
    ['day:one', '2']
    >>> beyond_busybox([{"Id": "1", "RepoTags": ["busybox:latest"]}])
    []
    """
    found: list[str] = []
    for image in images:
        tags = image["RepoTags"] or []
        found += [tag for tag in tags if tag != BUSYBOX] if BUSYBOX in tags else [image["Id"]]
    return found


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Docker's stream frames: `[kind, 0, 0, 0, length (big endian)]` and the bytes.

    >>> frames(bytes([1, 0, 0, 0, 0, 0, 0, 2]) + b"hi")
    [(1, b'hi')]
    """
    found, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        found.append((data[at], data[at + 8 : at + 8 + size]))
        at += 8 + size
    return found

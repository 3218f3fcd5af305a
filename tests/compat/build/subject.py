"""Builds by whichever client, and what is in the images that they make."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.compat.build.case import Case, listing
from tests.support.endpoint import Endpoint

CLIS = {"new": "/usr/local/bin/docker", "old": "/usr/bin/docker"}


def clients() -> dict[str, str]:
    """The docker clients of this machine by their version: there may be an old one of the distribution beside."""
    found: dict[str, str] = {}
    for path in dict.fromkeys((shutil.which("docker"), *CLIS.values())):
        if path and Path(path).exists():
            words = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
            version = re.search(r"version (\d+)", words)
            if version:
                found.setdefault(version[1], path)
    return found


def build(
    engine: Endpoint, case: Case, folder: Path, tag: str, *, cli: str = "", args: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """`docker build` of a case's context, by the classic way."""
    case.lay(folder)
    stdin = case.files.get("STDIN", "")
    return engine.docker(
        *("build", "-t", tag, *case.args, *args, case.where),
        cli=cli,
        cwd=folder,
        env={"DOCKER_BUILDKIT": "0"},
        input=stdin,
        timeout=120,
    )


def files(engine: Endpoint, image: str) -> dict[str, str]:
    """All files of an image: a container that never runs is exported."""
    made = engine.post("/containers/create", {"Image": image, "Cmd": ["x"]})
    assert made.status == 201, made
    try:
        answer = engine.get(f"/containers/{made.json['Id']}/export")
        assert answer.status == 200, answer
        return listing(answer.body)
    finally:
        engine.remove(made.json["Id"])


def check(engine: Endpoint, case: Case, image: str) -> None:
    """That the image holds what the case says."""
    if case.tree:
        found = files(engine, image)
        for path, wanted in case.tree.items():
            assert found.get(path) == wanted, f"{case.name}: {path}"
    config: dict[str, Any] = engine.inspect_image(image)["Config"]
    for name, value in case.config.items():
        assert config.get(name) == value, f"{case.name}: {name}"


class Buildah:
    """buildah with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = ["--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "overlay"]

        # crun refuses hosts with both cgroup versions
        self._env = dict(os.environ) | ({"BUILDAH_RUNTIME": "runc"} if shutil.which("runc") else {})

    def __enter__(self) -> Buildah:
        return self

    def __exit__(self, *_: object) -> None:
        self.run("rm", "--all", check=False)
        self.run("rmi", "--all", "--force", check=False)
        for mount in (self.folder / "root/overlay", self.folder / "root"):
            subprocess.run(["umount", "-l", str(mount)], capture_output=True)

    def run(self, *words: str, check: bool = True, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["buildah", *self._store, *words],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=cwd,
            input="",
            env=self._env,
        )
        assert done.returncode == 0 or not check, f"buildah {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def load(self, engine: Endpoint, image: str) -> None:
        """An image of ours under the same name."""
        archive = self.folder / "image.tar"
        archive.write_bytes(engine.get(f"/images/{image}/get").body)
        id = self.run("pull", f"docker-archive:{archive}").strip().splitlines()[-1]
        self.run("tag", id, image, f"docker.io/library/{image}")

    @contextmanager
    def mounted(self, image: str) -> Iterator[bytes]:
        """The tar of an image's files."""
        container = self.run("from", image).strip()
        try:
            root = self.run("mount", container).strip()
            yield subprocess.run(["tar", "-C", root, "-c", "."], capture_output=True, check=True).stdout
        finally:
            self.run("rm", container)


def messages(body: bytes) -> list[Any]:
    """A JSON stream."""
    return [json.loads(line) for line in body.splitlines() if line.strip()]

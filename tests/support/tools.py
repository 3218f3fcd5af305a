"""Other people's programs: found, and run to their end."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.wait import PATIENCE

CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def tool(name: str) -> str:
    """Its path.

    :raises AssertionError: it is not installed, where CI=true; elsewhere the test is skipped.
    """
    return shutil.which(name) or missing(name)


def missing(name: str) -> NoReturn:
    """What is compared with is not there.

    :raises AssertionError: where CI=true; elsewhere the test is skipped.
    """
    assert not CI, f"{name} is not installed"
    pytest.skip(f"{name} is not installed: ./dev setup --peers")


def needs(name: str) -> pytest.MarkDecorator:
    """Skips tests where a program is not installed; where CI=true they run, and fail by themselves."""
    return pytest.mark.skipif(not CI and shutil.which(name) is None, reason=f"{name} is not installed")


def knows_localhost() -> None:
    """For tests of libraries that reach a container's ports by this name: an engine has no say in what it means.

    :raises AssertionError: nothing here knows it.
    """
    try:
        socket.getaddrinfo("localhost", 80)
    except socket.gaierror as error:
        raise AssertionError(f"nothing here knows the name localhost ({error}): sudo ./dev setup names it") from None


def run(*argv: str, check: bool = True, input: str = "", env: dict[str, str] | None = None) -> str:
    """What it prints."""
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=120 * PATIENCE, input=input, env=os.environ | (env or {})
    )
    assert done.returncode == 0 or not check, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


class Storage:
    """Images of podman and buildah, in a place of their own, and who they are at registries."""

    def __init__(self, folder: Path, runroot: str) -> None:
        self._places = ["--root", str(folder), "--runroot", runroot, "--storage-driver", "vfs"]
        self.config = Path(runroot, "config")
        self.config.mkdir()
        (self.config / "config.json").write_text(json.dumps({}))

    def __call__(self, name: str, *words: str, check: bool = True, input: str = "") -> str:
        """`name` is podman or buildah."""
        env = {"DOCKER_CONFIG": str(self.config), "REGISTRY_AUTH_FILE": str(self.config / "config.json")}
        return run(tool(name), *self._places, *words, check=check, input=input, env=env)


@contextmanager
def storage(folder: Path) -> Iterator[Storage]:
    """One for a test; nothing stays mounted."""
    short = tempfile.mkdtemp(prefix="cr-p")  # its runroot has at most 50 characters
    made = Storage(folder, short)
    try:
        yield made
    finally:
        if shutil.which("buildah"):
            made("buildah", "rm", "--all", check=False)
        if shutil.which("podman"):
            made("podman", "rmi", "-af", check=False)
        shutil.rmtree(short, ignore_errors=True)

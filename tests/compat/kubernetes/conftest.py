"""One instance with the Kubernetes API for all clients; each test has a namespace of its own in it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.compat.kubernetes.clients import KUBECTL
from tests.support.instance import Instance, instance
from tests.support.ports import free_port
from tests.support.wait import eventually


class Place(NamedTuple):
    """Where a client works: a folder, a namespace, and the environment of its commands."""

    folder: Path
    namespace: str
    env: dict[str, str]


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[Instance]:
    with instance("--kubernetes=true", f"--kubernetes-address=127.0.0.1:{free_port()}") as made:
        _cordon(made)
        yield made


def _cordon(made: Instance) -> None:
    """What the tour makes is not to run: only pods that tolerate it come to the node."""

    def kubectl(*words: str) -> str:
        command = [f"{KUBECTL()}/kubectl", "--kubeconfig", str(made.root / "run/kubeconfig"), *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    eventually(lambda: kubectl("get", "nodes", "-o", "name"), "the node is registered", seconds=60)
    kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=60s")
    kubectl("cordon", "--selector=kubernetes.io/os=linux")


@pytest.fixture
def place(kubernetes: Instance, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Place]:
    """Call it with the folder of a kubectl."""

    def make(programs: str) -> Place:
        namespace = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
        config = tmp_path / "kubeconfig"
        config.write_text((kubernetes.root / "run/kubeconfig").read_text())
        config.chmod(0o600)
        path = f"{programs}:{os.environ['PATH']}"
        env = {"PATH": path, "KUBECONFIG": str(config), "HOME": str(tmp_path)}
        for words in (
            ("create", "namespace", namespace),
            ("config", "set-context", "--current", "--namespace", namespace),
        ):
            subprocess.run(["kubectl", *words], env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)
        return Place(tmp_path, namespace, env)

    return make

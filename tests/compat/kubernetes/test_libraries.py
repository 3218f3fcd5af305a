"""Programs with Python's client libraries, and an operator."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.kubernetes.clients import CACHE, KUBECTL
from tests.compat.kubernetes.conftest import Place
from tests.support.ahead import Work
from tests.support.venvs import environment
from tests.support.wait import eventually

HERE = Path(__file__).with_name("libraries")
PACKAGES = ("kubernetes>=35,<38", "kr8s>=0.20,<1", "lightkube>=0.17,<2", "kopf>=1.37,<2")
PYTHON = Work(lambda: environment(CACHE, "kubernetes", PACKAGES))

pytestmark = [*(pytest.mark.root, pytest.mark.timeout(180)), pytest.mark.ahead.with_args(PYTHON, KUBECTL)]


@pytest.mark.parametrize("library", ["kubernetes", "kr8s", "lightkube"])
def test_a_program(library: str, place: Callable[[str], Place]) -> None:
    found = place(KUBECTL())
    done = subprocess.run(
        [str(PYTHON()), str(HERE / f"with_{library}.py"), found.namespace],
        env={**os.environ, **found.env},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stdout + done.stderr


def test_an_operator(place: Callable[[str], Place]) -> None:
    found = place(KUBECTL())
    env = {**os.environ, **found.env}
    log = (found.folder / "operator.log").open("w+")

    def kubectl(*words: str, check: bool = True) -> str:
        return subprocess.run(["kubectl", *words], env=env, check=check, capture_output=True, text=True).stdout

    command = [str(PYTHON()), "-m", "kopf", "run", "--namespace", found.namespace, str(HERE / "operator_with_kopf.py")]
    operator = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    said = lambda: Path(log.name).read_text()[-4000:]  # noqa: E731
    try:
        kubectl("create", "configmap", "cows", "--from-literal=a=1")
        kubectl("label", "configmap", "cows", "herd=yes")
        eventually(lambda: kubectl("get", "secrets", "-o", "name") == "secret/cows\n", said, seconds=30)
        owner = kubectl("get", "secret", "cows", "-o", "jsonpath={.metadata.ownerReferences[0].name}")
        assert owner == "cows"
        finalizers = kubectl("get", "configmap", "cows", "-o", "jsonpath={.metadata.finalizers}")
        assert finalizers == '["corral.example/operator"]'
        kubectl("patch", "configmap", "cows", "-p", '{"data":{"a":"2"}}')
        value = lambda: kubectl("get", "secret", "cows", "-o", "jsonpath={.data.a}")  # noqa: E731
        eventually(lambda: value() == "Mg==", said, seconds=30)
        reasons = lambda: kubectl("get", "events", "-o", "jsonpath={.items[*].reason}")  # noqa: E731
        eventually(lambda: "Made" in reasons(), said, seconds=30)
        kubectl("delete", "configmap", "cows", "--timeout=30s")
        assert kubectl("get", "secrets", "-o", "name") == ""
    finally:
        operator.terminate()
        operator.wait(30)
        log.close()

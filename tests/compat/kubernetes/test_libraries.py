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
        noted = "jsonpath={.metadata.annotations.kopf\\.zalando\\.org/last-handled-configuration}"
        # What changes before that is not told from the creation.
        eventually(lambda: kubectl("get", "configmap", "cows", "-o", noted), said, seconds=30)
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


HERDS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: herds.corral.example}
spec:
  group: corral.example
  scope: Namespaced
  names: {plural: herds, singular: herd, kind: Herd, listKind: HerdList, shortNames: [hd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.cows}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Cows, type: integer, jsonPath: .status.cows}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 0, maximum: 9}
              breed: {type: string, default: jersey}
            x-kubernetes-validations:
            - {rule: "self.breed == oldSelf.breed", message: a herd keeps its breed}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


@pytest.mark.timeout(400)
def test_an_operator_of_a_custom_resource(place: Callable[[str], Place]) -> None:
    """Status, children with owners, finalizers, handlers that fail at first, a restart, and the end."""
    found = place(KUBECTL())
    env = {**os.environ, **found.env}
    log = (found.folder / "operator.log").open("w+")
    said = lambda: Path(log.name).read_text()[-4000:]  # noqa: E731

    def kubectl(*words: str, given: str = "", check: bool = True) -> str:
        command = ["kubectl", *words]
        return subprocess.run(command, env=env, check=check, input=given, capture_output=True, text=True).stdout

    def herd(path: str) -> str:
        return kubectl("get", "hd", "daisies", "-o", f"jsonpath={{{path}}}")

    def children() -> list[str]:
        return kubectl("get", "configmaps", "--selector=herd=daisies", "-o", "name").split()

    def operator() -> subprocess.Popen[bytes]:
        command = [
            str(PYTHON()),
            "-m",
            "kopf",
            "run",
            "--namespace",
            found.namespace,
            str(HERE / "operator_of_herds.py"),
        ]
        return subprocess.Popen(command, env=env, stdout=log, stderr=log)

    kubectl("apply", "-f", "-", given=HERDS)
    kubectl("wait", "crd/herds.corral.example", "--for=condition=Established", "--timeout=60s")
    running = operator()
    try:
        spec = (
            '{"apiVersion": "corral.example/v1", "kind": "Herd", "metadata": {"name": "daisies"}, "spec": {"size": 2}}'
        )
        kubectl("create", "-f", "-", given=spec)
        eventually(lambda: herd(".status.cows") == "2", said, seconds=90)
        assert children() == ["configmap/daisies-0", "configmap/daisies-1"]
        owner = kubectl("get", "configmap", "daisies-0", "-o", "jsonpath={.metadata.ownerReferences[0]['kind','name']}")
        assert owner == "Herd daisies"
        assert kubectl("get", "configmap", "daisies-0", "-o", "jsonpath={.data.breed}") == "jersey"
        assert herd(".metadata.finalizers") == '["corral.example/herds"]'
        kubectl("scale", "herds", "daisies", "--replicas=4")
        eventually(lambda: herd(".status.cows") == "4" == str(len(children())), said, seconds=90)
        assert "the gate is shut" in said()
        assert herd(".status.observedGeneration") == herd(".metadata.generation") == "2"
        refused = ["kubectl", "patch", "hd", "daisies", "--type=merge", "-p", '{"spec": {"breed": "angus"}}']
        answer = subprocess.run(refused, env=env, capture_output=True, text=True)
        assert answer.returncode and "a herd keeps its breed" in answer.stderr
        running.terminate()
        running.wait(60)
        kubectl("delete", "configmap", "daisies-3")
        running = operator()
        eventually(lambda: len(children()) == 4, said, seconds=90)
        assert kubectl("get", "hd", "daisies").split()[-3:] == ["daisies", "4", "4"]
        kubectl("delete", "hd", "daisies", "--timeout=90s")
        assert kubectl("get", "configmap", "daisies-was-here", "-o", "name") == "configmap/daisies-was-here\n"
        eventually(lambda: children() == [], said, seconds=90)
    finally:
        running.terminate()
        running.wait(60)
        log.close()
        kubectl("delete", "crd", "herds.corral.example", "--timeout=90s", check=False)

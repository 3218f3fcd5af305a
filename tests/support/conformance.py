"""A cluster as Kubernetes' conformance list sees it: an isolated instance, and namespaces in which pods do something.

Everything goes through the API, as an administrator of the cluster would: objects, logs, commands.
"""

from __future__ import annotations

import base64
import itertools
import json
import ssl
import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from corral.testing import Isolated
from tests.support.images import busybox_rootfs
from tests.support.kubernetes import MERGE_PATCH, Answer, ApiClient
from tests.support.python_image import python_rootfs
from tests.support.streaming import SocketClient
from tests.support.wait import eventually

Object = dict[str, Any]
Fits = Callable[[Object], Any]

IMAGE = "busybox:latest"
AGENT = ["/python/bin/python3", "-S", "/agent.py"]
WAITS = ["sh", "-c", "trap 'exit 0' TERM; sleep 9999 & wait"]
LONG = 60.0  # seconds, times PATIENCE
NUMBERS = itertools.count(1)


def container(script: str = "", name: str = "main", **more: Any) -> Object:
    """One that runs a shell script, or waits for its end."""
    command = ["sh", "-c", script] if script else WAITS
    return {"name": name, "image": IMAGE, "imagePullPolicy": "Never", "command": command, **more}


def pod(*containers: Object, labels: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """Without a name. It runs once unless it says otherwise, and ends without delay."""
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": list(containers), **spec}
    return {"metadata": {"labels": dict(labels or {})}, "spec": spec}


def status_of(found: Object, name: str = "main") -> Object:
    """A container's status, {} before there is one."""
    lists = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    every = (one for key in lists for one in (found.get("status") or {}).get(key) or ())
    return next((dict(one) for one in every if one["name"] == name), {})


def condition(found: Object, kind: str) -> Object:
    """{} where there is none of the kind."""
    every = (found.get("status") or {}).get("conditions") or ()
    return next((dict(one) for one in every if one["type"] == kind), {})


def is_ready(found: Object) -> bool:
    return condition(found, "Ready").get("status") == "True"


def has_ended(found: Object) -> bool:
    return (found.get("status") or {}).get("phase") in ("Succeeded", "Failed")


class Cluster:
    """`admin` is whoever the instance's kubeconfig stands for; `node` the name of its first node."""

    def __init__(self, corral: Isolated) -> None:
        self.corral = corral
        found = yaml.safe_load(Path(corral.kubeconfig).read_text())
        cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
        self.context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        with tempfile.NamedTemporaryFile() as identity:
            for key in ("client-certificate-data", "client-key-data"):
                identity.write(base64.b64decode(user[key]))
            identity.flush()
            self.context.load_cert_chain(identity.name)
        self.port = int(cluster["server"].rpartition(":")[2])
        self.admin = ApiClient(self.port, self.context)
        self.image(IMAGE)
        nodes = eventually(lambda: self.admin.get("/api/v1/nodes")["items"], "a node", seconds=LONG)
        self.node = str(nodes[0]["metadata"]["name"])
        self.until("/api/v1/nodes", self.node, is_ready)

    def image(self, name: str, *changes: str, rootfs: bytes = b"") -> None:
        """One of `rootfs`, or of busybox. `changes`: instructions of a Dockerfile."""
        with tempfile.NamedTemporaryFile(suffix=".tar") as tar:
            tar.write(rootfs or busybox_rootfs())
            tar.flush()
            more = [word for change in changes for word in ("--change", change)]
            self.corral.corral("import", *more, tar.name, name)

    @cached_property
    def agent(self) -> str:
        """The image with the agent of the tests: a server that tells who it is, and questions."""
        program = Path(__file__).with_name("agent.py").read_bytes()
        rootfs = python_rootfs({"agent.py": program})
        self.image("agent:latest", f"ENTRYPOINT {json.dumps(AGENT)}", rootfs=rootfs)
        return "agent:latest"

    @property
    def address(self) -> str:
        """The node's own."""
        addresses = self.admin.get(f"/api/v1/nodes/{self.node}")["status"]["addresses"]
        return str(next(one["address"] for one in addresses if one["type"] == "InternalIP"))

    def until(self, path: str, name: str, fits: Fits, seconds: float = LONG) -> Object:
        """The object of a collection as soon as it fits. It may not be there yet; what is gone fits as {}."""
        last: Object = {}

        def look() -> Object:
            nonlocal last
            answer = self.admin.ask("GET", f"{path}/{name}")
            last = answer.json if answer.status == 200 else {}
            return {"found": last} if fits(last) else {}

        shown = lambda: f"{path}/{name}: {last.get('status', last)}"  # noqa: E731
        return dict(eventually(look, shown, seconds=seconds, step=0.05)["found"])

    def space(self) -> Space:
        return Space(self, f"c{next(NUMBERS)}")


class Space:
    """A namespace of a test's own."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.admin, self.name = cluster, cluster.admin, name
        self.admin.ok("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        cluster.until(self.path("serviceaccounts"), "default", bool)

    def close(self) -> None:
        """It goes, and what runs in it; nobody waits for that."""
        self.admin.ok("DELETE", f"/api/v1/namespaces/{self.name}")

    def path(self, plural: str, *parts: str, group: str = "") -> str:
        start = f"/apis/{group}" if group else "/api/v1"
        return "/".join((f"{start}/namespaces/{self.name}/{plural}", *parts))

    def create(self, plural: str, name: str, obj: Object, group: str = "", **metadata: Any) -> Object:
        known = obj.get("metadata") or {}
        made = {**obj, "metadata": {**known, "name": name, **metadata}}
        return dict(self.admin.ok("POST", self.path(plural, group=group), made))

    def patch(self, plural: str, name: str, patch: Object, *parts: str, media: str = MERGE_PATCH) -> Object:
        answer = self.admin.patch(self.path(plural, name, *parts), patch, media)
        assert answer.status == 200, answer.body
        return dict(answer.json)

    def get(self, plural: str, name: str, group: str = "") -> Object:
        return dict(self.admin.get(self.path(plural, name, group=group)))

    def items(self, plural: str, labels: str = "", group: str = "") -> list[Object]:
        query = f"?labelSelector={quote(labels)}" if labels else ""
        return list(self.admin.get(self.path(plural, group=group) + query)["items"])

    def delete(self, plural: str, name: str, group: str = "", **options: Any) -> None:
        self.admin.ok("DELETE", self.path(plural, name, group=group), options)

    def until(self, name: str, fits: Fits, plural: str = "pods", group: str = "", seconds: float = LONG) -> Object:
        return self.cluster.until(self.path(plural, group=group), name, fits, seconds)

    # Pods

    def run(self, name: str, *containers: Object, **spec: Any) -> Object:
        """Makes a pod; does not wait."""
        return self.create("pods", name, pod(*(containers or (container(),)), **spec))

    def attempt(self, made: Object, query: str = "") -> Answer:
        """Asks for a pod that may be refused."""
        return self.admin.ask("POST", self.path("pods") + query, {**made, "metadata": {"name": "attempt"}})

    def ready(self, name: str) -> Object:
        return self.until(name, is_ready)

    def done(self, name: str) -> Object:
        return self.until(name, has_ended)

    def gone(self, name: str, plural: str = "pods") -> None:
        self.until(name, lambda found: not found, plural)

    def logs(self, name: str, of: str = "main", **options: Any) -> str:
        query = urlencode({"container": of, **options})
        answer = self.admin.ask("GET", f"{self.path('pods', name, 'log')}?{query}")
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def said(self, name: str, of: str = "main") -> str:
        """What a pod has said once it has come to its end, well."""
        found = self.done(name)
        said = self.logs(name, of)
        assert found["status"]["phase"] == "Succeeded", (said, found["status"])
        return said

    def ask(self, name: str, *command: str, of: str = "main") -> str:
        """What a command in a running container prints."""
        query = urlencode([("container", of), ("stdout", "1"), ("stderr", "1"), *(("command", one) for one in command)])
        path = f"{self.path('pods', name, 'exec')}?{query}"
        client = SocketClient(self.cluster.port, self.cluster.context, path, "v5.channel.k8s.io")
        try:
            found = client.all()
        finally:
            client.close()
        return (found.get(1, b"") + found.get(2, b"")).decode()

    def shell(self, name: str, script: str, of: str = "main") -> str:
        return self.ask(name, "sh", "-c", script, of=of).strip()

    # Servers, and who asks them

    def server(self, name: str, *ports: int, labels: Mapping[str, str] | None = None, **spec: Any) -> Object:
        """Makes a pod that tells its name by HTTP and UDP on the ports; does not wait."""
        probe = {"httpGet": {"path": "/hostname", "port": ports[0]}, "periodSeconds": 1, "failureThreshold": 60}
        main = {"name": "main", "image": self.cluster.agent, "imagePullPolicy": "Never", "readinessProbe": probe}
        main["args"] = ["serve", *map(str, ports)]
        main |= spec.pop("main", {})
        return self.create("pods", name, pod(main, labels=labels, **spec))

    def answers(self, name: str, kind: str, host: str, port: int, times: int = 1, *more: str) -> list[str]:
        """What the agent in a pod is told: by `http` or `udp`."""
        return self.ask(name, *AGENT, "ask", kind, host, str(port), str(times), *more).split()

    def asked(self, name: str, script: str, fits: Callable[[str], Any], of: str = "main") -> str:
        """What a script in a running container prints, as soon as it fits."""
        last = ""

        def look() -> bool:
            nonlocal last
            last = self.shell(name, script, of)
            return bool(fits(last))

        eventually(look, lambda: f"{script} in {name} says {last!r}", seconds=LONG, step=0.1)
        return last

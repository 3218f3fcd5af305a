"""What programs do with lightkube. Run by an environment that has it."""

from __future__ import annotations

import sys
import threading

from lightkube import ApiError, Client, codecs
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod, Service
from lightkube.types import CascadeType, PatchType

NAMESPACE = sys.argv[1]
MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: nginx}]}
"""


def plain(client: Client) -> None:
    made = client.create(ConfigMap(metadata=ObjectMeta(name="c", labels={"by": "lightkube"}), data={"a": "1"}))
    made.data["a"] = "2"
    assert client.replace(made).data == {"a": "2"}
    try:
        client.replace(made)
        raise AssertionError("an old version was taken")
    except ApiError as error:
        assert (error.status.code, error.status.reason) == (409, "Conflict")
    assert client.patch(ConfigMap, "c", {"data": {"b": "3"}}, patch_type=PatchType.MERGE).data == {"a": "2", "b": "3"}
    client.patch(ConfigMap, "c", [{"op": "remove", "path": "/data/b"}], patch_type=PatchType.JSON)
    assert [one.data for one in client.list(ConfigMap, labels={"by": "lightkube"})] == [{"a": "2"}]
    assert any(one.metadata.name == NAMESPACE for one in client.list(Namespace, chunk_size=2))
    client.delete(ConfigMap, "c", cascade=CascadeType.BACKGROUND)


def applied(client: Client) -> None:
    for one in codecs.load_all_yaml(MANIFEST):
        client.apply(one, field_manager="one")
    assert client.get(Service, "web").spec.clusterIP
    scale = client.get(Deployment.Scale, "web")
    scale.spec.replicas, scale.metadata.resourceVersion = 3, None  # its controller writes, too
    client.replace(scale, "web")
    assert client.get(Deployment, "web").spec.replicas == 3
    status = {"status": {"observedGeneration": 2}}  # its controller writes here, too
    assert client.patch(Deployment.Status, "web", status, patch_type=PatchType.MERGE).status.observedGeneration == 2
    client.deletecollection(Deployment)
    assert not list(client.list(Deployment))


def watched(client: Client) -> None:
    seen, noticed = [], threading.Event()

    def change() -> None:
        pod = Pod(metadata=ObjectMeta(name="p"), spec={"containers": [{"name": "main", "image": "i"}]})
        client.create(pod)
        noticed.wait(60)  # the watch may begin later, and tell of what is there then
        client.delete(Pod, "p", grace_period=0)

    worker = threading.Thread(target=change)
    worker.start()
    for kind, one in client.watch(Pod, server_timeout=60):
        if one.metadata.name != "p":
            continue  # those of the Deployment, which are on their way out
        seen.append((kind, one.metadata.name))
        noticed.set()
        if kind == "DELETED":
            break
    worker.join()
    assert seen[0] == ("ADDED", "p") and seen[-1] == ("DELETED", "p"), seen


def main() -> None:
    client = Client(namespace=NAMESPACE, field_manager="lightkube")
    plain(client)
    applied(client)
    watched(client)
    print("done")


main()

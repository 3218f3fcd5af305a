"""What programs do with the client `kubernetes`: typed, dynamic, watching. Run by an environment that has it."""

from __future__ import annotations

import sys
import threading

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client import ApiException
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError

NAMESPACE = sys.argv[1]


def typed() -> None:
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="typed", labels={"by": "typed"}), data={"a": "1"})
    made = core.create_namespaced_config_map(NAMESPACE, body)
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo is not None
    try:
        core.create_namespaced_config_map(NAMESPACE, body)
        raise AssertionError("made twice")
    except ApiException as error:
        assert (error.status, error.reason) == (409, "Conflict"), (error.status, error.reason)
    made.data["a"] = "2"
    assert core.replace_namespaced_config_map("typed", NAMESPACE, made).data == {"a": "2"}
    try:
        core.replace_namespaced_config_map("typed", NAMESPACE, made)
        raise AssertionError("an old version was taken")
    except ApiException as error:
        assert error.status == 409
    assert core.patch_namespaced_config_map("typed", NAMESPACE, {"data": {"b": "3"}}).data == {"a": "2", "b": "3"}
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "web"}),
        spec=client.V1PodSpec(containers=[client.V1Container(name="main", image="nginx")]),
    )
    spec = client.V1DeploymentSpec(selector={"matchLabels": {"app": "web"}}, template=template)
    apps.create_namespaced_deployment(NAMESPACE, client.V1Deployment(metadata={"name": "web"}, spec=spec))
    scale = apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 4}})
    assert (scale.kind, scale.spec.replicas) == ("Scale", 4)
    status = apps.delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Background")
    shown = client.ApiClient().sanitize_for_serialization(status)
    assert (shown["status"], shown["details"]["name"]) == ("Success", "web"), shown
    listed = core.list_namespaced_config_map(NAMESPACE, label_selector="by=typed", limit=1)
    assert [one.metadata.name for one in listed.items] == ["typed"]
    review = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes={"verb": "get", "resource": "pods"})
    )
    assert client.AuthorizationV1Api().create_self_subject_access_review(review).status.allowed
    assert client.VersionApi().get_code().major == "1"


def watching() -> None:
    core, seen = client.CoreV1Api(), []
    start = core.list_namespaced_secret(NAMESPACE).metadata.resource_version
    stream = watch.Watch()

    def change() -> None:
        core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
        core.patch_namespaced_secret("s", NAMESPACE, {"metadata": {"labels": {"x": "y"}}})
        core.delete_namespaced_secret("s", NAMESPACE)

    worker = threading.Thread(target=change)
    worker.start()
    for event in stream.stream(core.list_namespaced_secret, NAMESPACE, resource_version=start, timeout_seconds=20):
        seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            stream.stop()
    worker.join()
    assert seen == [(kind, {"a": "Yg=="}) for kind in ("ADDED", "MODIFIED", "DELETED")], seen


def dynamically() -> None:
    found = dynamic.DynamicClient(client.ApiClient())
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    assert found.resources.get(api_version="apps/v1", kind="Deployment").namespaced
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dynamic"}, "data": {"a": "1"}}
    made = maps.server_side_apply(namespace=NAMESPACE, body=body, field_manager="one")
    assert made.data.a == "1"
    body["data"] = {"a": "2"}
    try:
        maps.server_side_apply(namespace=NAMESPACE, body=body, field_manager="two")
        raise AssertionError("no conflict")
    except ConflictError as error:
        assert 'conflict with \\"one\\": .data.a' in str(error.body)
    maps.server_side_apply(namespace=NAMESPACE, body=body, field_manager="two", force_conflicts=True)
    merge = "application/merge-patch+json"
    maps.patch(namespace=NAMESPACE, name="dynamic", body={"data": {"b": "3"}}, content_type=merge)
    assert maps.get(namespace=NAMESPACE, name="dynamic").data.to_dict() == {"a": "2", "b": "3"}
    names = [one.metadata.name for one in maps.get(namespace=NAMESPACE).items]
    assert [name for name in names if name != "kube-root-ca.crt"] == ["dynamic", "typed"]
    maps.delete(namespace=NAMESPACE, name="dynamic")
    try:
        maps.get(namespace=NAMESPACE, name="dynamic")
        raise AssertionError("still there")
    except NotFoundError:
        pass


def manifests() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "m"}}],
    }
    utils.create_from_dict(client.ApiClient(), body, namespace=NAMESPACE)


config.load_kube_config()
typed()
watching()
dynamically()
manifests()
print("done")

"""Resources that come and go while the server runs, as those of CustomResourceDefinitions do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from corral.cluster.apiserver.registry import ScalePaths, Served
from corral.model.kubernetes.kind import Kind
from corral.model.kubernetes.resources import GroupVersionKind, Resource, Subresource
from corral.model.kubernetes.schema.crd import from_structural
from tests.support.kubernetes import APPLY_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Namespace

GROUP = "example.com"
SCALE = GroupVersionKind("autoscaling", "v1", "Scale")
SPEC = {"type": "object", "properties": {"size": {"type": "integer"}, "free": {
    "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}  # fmt: skip
STATUS = {"type": "object", "properties": {"ready": {"type": "boolean"}, "size": {"type": "integer"}}}
SCHEMA = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}


def cows(version: str) -> Served:
    own = GroupVersionKind(GROUP, version, "Cow")
    resource = Resource(GROUP, version, "cows", "cow", "Cow", "CowList", True, short_names=("moo",), subresources=(
        Subresource("status", own, ("get", "patch", "update")), Subresource("scale", SCALE, ("get", "patch", "update")),
    ))  # fmt: skip
    stored = GroupVersionKind(GROUP, "v1", "Cow")
    scale = ScalePaths(".spec.size", ".status.size", "")
    kind = Kind(has_status=True)
    return Served(resource, kind, from_structural(SCHEMA), stored, custom=True, scale=scale)


@pytest.fixture
def herd(ns: Namespace) -> Iterator[str]:
    """Where the cows of the namespace are."""
    registry = ns.cluster.api.registry
    for version in ("v1", "v2"):
        registry.add(cows(version))
    yield ns.path("cows", group=f"{GROUP}/v1")
    for version in ("v1", "v2"):
        registry.remove(GROUP, version, "cows")


def test_it_is_there_at_once_and_gone_at_once(ns: Namespace, herd: str) -> None:
    assert GROUP in {one["name"] for one in ns.admin.get("/apis")["groups"]}
    found = ns.admin.get(f"/apis/{GROUP}/v1")["resources"]
    assert [one["name"] for one in found] == ["cows", "cows/status", "cows/scale"]
    assert f"apis/{GROUP}/v1" in ns.admin.get("/openapi/v3")["paths"]
    assert ns.admin.get(herd)["kind"] == "CowList"
    registry = ns.cluster.api.registry
    registry.remove(GROUP, "v1", "cows")
    registry.remove(GROUP, "v2", "cows")
    assert ns.admin.ask("GET", herd).status == 404
    assert GROUP not in {one["name"] for one in ns.admin.get("/apis")["groups"]}


def test_it_is_kept_like_any_other(ns: Namespace, herd: str) -> None:
    body = {"metadata": {"name": "berta"}, "spec": {"size": 1, "free": {"x": [1]}, "odd": 1}, "status": {"ready": True}}
    answer = ns.admin.ask("POST", herd, body)
    made = answer.json
    assert answer.status == 201 and made["spec"] == {"size": 1, "free": {"x": [1]}} and "status" not in made
    assert 'unknown field \\"spec.odd\\"' in answer.headers["warning"] and made["metadata"]["generation"] == 1
    item = ns.admin.get(herd)["items"][0]
    assert (item["kind"], item["apiVersion"]) == ("Cow", f"{GROUP}/v1")
    path = f"{herd}/berta"
    assert ns.admin.patch(path, {"spec": {"size": 2}}).json["metadata"]["generation"] == 2
    assert ns.admin.patch(path, {}, STRATEGIC_PATCH).told[0] == 415
    status = ns.admin.patch(f"{path}/status", {"status": {"ready": True}, "metadata": {"labels": {"a": "b"}}}).json
    assert status["status"] == {"ready": True} and "labels" not in status["metadata"]
    applied = {"apiVersion": f"{GROUP}/v1", "kind": "Cow", "spec": {"size": 3}}
    assert ns.admin.patch(f"{path}?fieldManager=m&force=true", applied, APPLY_PATCH).json["spec"]["size"] == 3
    assert ns.admin.ok("DELETE", path)["status"] == "Success"


def test_its_scale_is_where_it_says(ns: Namespace, herd: str) -> None:
    ns.admin.ok("POST", herd, {"metadata": {"name": "berta"}, "spec": {"size": 1}})
    scale = ns.admin.get(f"{herd}/berta/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 0})
    assert ns.admin.patch(f"{herd}/berta/scale", {"spec": {"replicas": 4}}, MERGE_PATCH).json["spec"]["replicas"] == 4
    assert ns.admin.get(f"{herd}/berta")["spec"]["size"] == 4


def test_one_object_in_two_versions(ns: Namespace, herd: str) -> None:
    registry = ns.cluster.api.registry
    second = cows("v2")
    renamed = replace(
        second,
        to_stored=lambda obj: {**obj, "spec": {"size": (obj.get("spec") or {}).get("size", 0) // 100}},
        from_stored=lambda obj: {**obj, "spec": {"size": (obj.get("spec") or {}).get("size", 0) * 100}},
    )
    registry.add(renamed)
    ns.admin.ok("POST", herd, {"metadata": {"name": "berta"}, "spec": {"size": 5}})
    other = ns.path("cows", group=f"{GROUP}/v2")
    found = ns.admin.get(f"{other}/berta")
    assert (found["apiVersion"], found["spec"]) == (f"{GROUP}/v2", {"size": 500})
    assert ns.admin.get(other)["items"][0]["spec"] == {"size": 500}
    stream = ns.admin.watch(f"{other}?watch=1")
    assert stream.next()["object"]["spec"] == {"size": 500}
    changed = ns.admin.patch(f"{other}/berta", {"spec": {"size": 700}}).json
    assert changed["spec"] == {"size": 700} and stream.next()["object"]["spec"] == {"size": 700}
    stream.close()
    assert ns.admin.get(f"{herd}/berta")["spec"] == {"size": 7}
    table = ns.admin.get(other, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Age"]

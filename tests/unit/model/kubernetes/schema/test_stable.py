"""The data of all stable kinds, and the schemas that are made of it."""

from __future__ import annotations

import time

import pytest

from corral.model.kubernetes.resources import GroupVersionKind, Resource
from corral.model.kubernetes.schema import MISSING, Schema, builtin
from corral.model.kubernetes.schema.data import FILE, parse

BUILTIN = builtin()
CONNECTS = ("PodAttachOptions", "PodExecOptions", "PodPortForwardOptions", "PodProxyOptions")
CONNECTS += ("NodeProxyOptions", "ServiceProxyOptions")


def resource(group: str, plural: str, version: str = "v1") -> Resource:
    return next(one for one in BUILTIN.resources if (one.group, one.version, one.plural) == (group, version, plural))


def schema(group: str, kind: str, *path: str, version: str = "v1") -> Schema:
    found = BUILTIN.schema(GroupVersionKind(group, version, kind))
    for name in path:
        assert found is not None
        found = found.items if name == "[]" else found.properties[name]
    assert found is not None
    return found


def test_every_resource_has_schemas_for_its_kind_its_list_and_its_subresources() -> None:
    for one in BUILTIN.resources:
        assert BUILTIN.schema(one.gvk) is not None
        assert "list" not in one.verbs or BUILTIN.schema(one.gvk._replace(kind=one.list_kind)) is not None
        for sub in one.subresources:
            assert sub.kind.kind in CONNECTS or BUILTIN.schema(sub.kind) is not None


@pytest.mark.parametrize(
    ("group", "plural", "names", "categories"),
    [
        ("", "pods", ("po",), ("all",)),
        ("", "services", ("svc",), ("all",)),
        ("", "secrets", (), ()),
        ("apps", "deployments", ("deploy",), ("all",)),
        ("batch", "jobs", (), ("all",)),
        ("apiextensions.k8s.io", "customresourcedefinitions", ("crd", "crds"), ("api-extensions",)),
        ("networking.k8s.io", "ipaddresses", ("ip",), ()),
        ("storage.k8s.io", "volumeattributesclasses", ("vac",), ()),
    ],
)
def test_resources_have_upstreams_names(
    group: str, plural: str, names: tuple[str, ...], categories: tuple[str, ...]
) -> None:
    assert resource(group, plural).short_names == names
    assert resource(group, plural).categories == categories


def test_subresources_say_what_their_bodies_are() -> None:
    pods = resource("", "pods")
    names = "attach binding ephemeralcontainers eviction exec log portforward proxy resize status"
    assert [one.name for one in pods.subresources] == names.split()
    eviction, scale = pods.subresource("eviction"), resource("apps", "deployments").subresource("scale")
    assert eviction is not None and eviction.kind == GroupVersionKind("policy", "v1", "Eviction")
    assert scale is not None and scale.kind == GroupVersionKind("autoscaling", "v1", "Scale")
    assert scale.verbs == ("get", "patch", "update")


def test_namespaces_have_no_collection_to_delete_and_reviews_are_only_made() -> None:
    assert "deletecollection" not in resource("", "namespaces").verbs
    assert resource("authorization.k8s.io", "selfsubjectaccessreviews").verbs == ("create",)
    assert not resource("", "nodes").namespaced and resource("", "pods").namespaced


def test_the_newer_version_of_autoscaling_is_the_preferred_one() -> None:
    assert [one.version for one in BUILTIN.resources if one.group == "autoscaling"] == ["v2", "v1"]


def test_merge_keys_and_list_types_differ_where_upstreams_do() -> None:
    ports = schema("", "Service", "spec", "ports")
    assert (ports.list_type, ports.list_map_keys, ports.patch_merge_key) == ("map", ("port", "protocol"), "port")
    assert schema("", "Pod", "spec", "volumes").patch_strategy == ("merge", "retainKeys")
    assert schema("", "Pod", "metadata", "finalizers").list_type == "set"
    assert schema("", "Pod", "spec", "tolerations").list_type == "atomic"
    assert schema("", "Service", "spec", "selector").map_type == "atomic"
    assert schema("apps", "Deployment", "spec", "selector").map_type == "atomic"
    assert schema("", "Pod", "metadata", "labels").map_type == "granular"


def test_a_field_that_is_merged_in_its_own_way_shares_the_fields_of_its_type() -> None:
    strategy = schema("apps", "Deployment", "spec", "strategy")
    assert strategy.patch_strategy == ("retainKeys",)
    assert strategy.properties is BUILTIN.type("apps.v1.DeploymentStrategy").properties


def test_types_that_contain_themselves_are_whole() -> None:
    crd = schema("apiextensions.k8s.io", "CustomResourceDefinition", "spec", "versions", "[]", "schema")
    top = crd.properties["openAPIV3Schema"]
    assert top.properties["properties"].values is top
    assert top.properties["items"].format == "schema-or-array" and top.properties["items"].items is top


def test_formats_defaults_and_requirements() -> None:
    container = schema("", "Pod", "spec", "containers", "[]")
    assert container.required == ("name",) and container.name == "io.k8s.api.core.v1.Container"
    port = container.properties["ports"].items
    assert port is not None and port.properties["protocol"].default == "TCP"
    assert port.properties["name"].default is MISSING
    data = schema("", "Secret", "data").values
    assert data is not None and data.format == "byte"
    assert schema("", "Pod", "metadata", "creationTimestamp").format == "date-time"
    limits = container.properties["resources"].properties["limits"].values
    assert limits is not None and limits.format == "quantity"


def test_options_of_deletion_are_a_kind_of_every_group() -> None:
    assert BUILTIN.schema(GroupVersionKind("apps", "v1", "DeleteOptions")) is BUILTIN.type("meta.v1.DeleteOptions")
    assert BUILTIN.schema(GroupVersionKind("apps", "v1", "Nonsense")) is None


def test_what_a_process_pays_at_its_start_is_little() -> None:
    def once() -> float:
        start = time.process_time()
        parse(FILE.read_text())
        return time.process_time() - start

    assert min(once() for _ in range(3)) < 0.015

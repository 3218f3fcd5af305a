"""The tool that writes the data of Kubernetes' kinds: what it makes of each of its sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.kubernetes_data import field_type, go_mark, numbered, options, write_type
from tools.kubernetes_sources import Field, read_go, read_protos, read_resources

PROTO = """
package k8s.io.api.core.v1;
message Outer {
  // About it.
  // +default="TCP"
  optional string protocol = 2;
  optional Inner inner = 3;
  repeated .k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta metas = 4;
  map<string, bytes> data = 5;
  optional string uID = 6;
}
message Inner {
  optional int32 deep = 7;
}
"""
GO = """
type Inner struct {
	Deep int32 `json:"deep,omitempty" protobuf:"varint,7,opt,name=deep"`
}
type Outer struct {
	Inner `json:",inline" protobuf:"bytes,3,opt,name=inner"`
	Protocol string `json:"protocol,omitempty"`
	Pointer *string `json:"pointer,omitempty"`
	Always string `json:"always"`
	List []string `json:"list"`
	When Time `json:"when,omitempty" protobuf:"x"`
	Deeper Inner `json:"deeper,omitempty"`
	Unless Inner `json:"unless,omitzero"`
	Must *string `json:"must"`
}
"""
RESOURCES = """
class DeploymentScale(res.NamespacedSubResource, m.Scale):
    _api_info = res.ApiInfo(
        resource=res.ResourceDef('autoscaling', 'v1', 'Scale'),
        parent=res.ResourceDef('apps', 'v1', 'Deployment'),
        plural='deployments', verbs=['get', 'put'], action='scale',
    )

class Deployment(res.NamespacedResourceG, m.Deployment):
    _api_info = res.ApiInfo(
        resource=res.ResourceDef('apps', 'v1', 'Deployment'), plural='deployments',
        verbs=['post', 'global_list', 'list'],
    )

class Old(res.GlobalResource, m.Old):
    _api_info = res.ApiInfo(resource=res.ResourceDef('apps', 'v1beta1', 'Old'), plural='olds', verbs=['get'])
"""


def sources(folder: Path) -> list[Path]:
    place = folder / "core" / "v1"
    place.mkdir(parents=True)
    (place / "generated.proto").write_text(PROTO)
    (place / "types.go").write_text(GO)
    return [folder]


def test_numbers_and_defaults_come_from_messages(tmp_path: Path) -> None:
    protos = read_protos(sources(tmp_path))
    outer = protos["core.v1.Outer"]
    assert outer["protocol"] == Field(2, "string", '"TCP"')
    assert outer["metas"] == Field(4, "[]meta.v1.ObjectMeta", "") and outer["data"] == Field(5, "{}bytes", "")
    properties: dict[str, dict[str, str]] = {"protocol": {}, "deep": {}, "uid": {}}
    ways = [numbered("core.v1.Outer", key, properties, protos) for key in ("protocol", "deep", "uid", "other")]
    assert [way and way[0] for way in ways] == ["2", "3.7", "6", None]


def test_what_go_leaves_out(tmp_path: Path) -> None:
    kinds = {"deep": "int32", "protocol": "string", "pointer": "string", "always": "string", "list": "[]string",
        "when": "time", "deeper": "core.v1.Inner", "unless": "core.v1.Inner", "must": "string"}  # fmt: skip
    found = read_go(sources(tmp_path))
    assert list(found["core.v1.Inner"]) == ["deep"]
    assert {name: go_mark(field, kinds[name]) for name, field in found["core.v1.Outer"].items()} == {
        "deep": "?", "protocol": "?", "pointer": "", "always": "+", "list": "^", "when": "^", "deeper": "+",
        "unless": "", "must": "^",
    }  # fmt: skip


def test_a_type_is_a_few_lines(tmp_path: Path) -> None:
    folder = sources(tmp_path)
    spec = {
        "required": ["uid"],
        "properties": {
            "protocol": {"type": ["string", "null"]},
            "uid": {"type": "string"},
            "deep": {"type": "integer", "format": "int32"},
        },
    }
    assert write_type("core.v1.Outer", spec, read_protos(folder), read_go(folder)) == [
        "type core.v1.Outer",
        "deep? 3.7 int32",
        'protocol? 2 string default="TCP"',
        "uid! 6 string",
    ]


def test_sources_that_do_not_agree_end_the_run(tmp_path: Path) -> None:
    spec = {"properties": {"protocol": {"type": "boolean"}}}
    with pytest.raises(SystemExit, match="protocol is bool in JSON and string in protobuf"):
        write_type("core.v1.Outer", spec, read_protos(sources(tmp_path)), {})


def test_types_and_options() -> None:
    quantity = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.api.resource.Quantity"}
    assert field_type({"type": "object", "additionalProperties": quantity}) == "{}quantity"
    assert field_type({"type": ["array", "null"], "items": {"type": "string", "format": "byte"}}) == "[]bytes"
    merged = {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["a", "b"],
        "x-kubernetes-patch-strategy": "merge",
    }
    assert options(merged, "1") == ["map=a,b", "patch=merge", "default=1"]


def test_resources_with_scope_verbs_and_subresources(tmp_path: Path) -> None:
    (tmp_path / "apps_v1.py").write_text(RESOURCES)
    connect = {"get": {"x-kubernetes-action": "list"}}
    assert read_resources(tmp_path, {"paths": {"/apis/apps/v1/deployments": connect}}) == {
        ("apps", "v1", "deployments"): {
            "kind": "Deployment",
            "namespaced": True,
            "verbs": {"create", "list"},
            "subresources": {"scale": (("autoscaling", "v1", "Scale"), {"get", "update"})},
        }
    }

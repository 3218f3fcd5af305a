"""OpenAPI documents: what kubectl and other clients look for in them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from corral.model.kubernetes.openapi import descriptions, gnostic, v2, v3
from corral.model.kubernetes.openapi.definitions import undescribed
from corral.model.kubernetes.resources import GroupVersionKind, Resource
from corral.model.kubernetes.schema import Schema, builtin
from corral.model.kubernetes.schema.crd import from_structural

WIDGET = GroupVersionKind("stable.example.com", "v1", "Widget")
CRD = Resource("stable.example.com", "v1", "widgets", "widget", "Widget", "WidgetList", True)
COMMON = ("apiVersion", "kind", "metadata")
RAW: dict[str, Any] = {
    "type": "object",
    "description": "A thing.",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 1, "minimum": 0, "maximum": 9.5, "enum": [1, 2]},
                "note": {"type": "string", "nullable": True},
                "port": {"x-kubernetes-int-or-string": True},
                "list": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string", "maxLength": 3}},
                "more": {"type": "object", "additionalProperties": {"oneOf": [{"required": ["x"]}], "type": "object"}},
            },
        }
    },
}
EVERY = (*builtin().resources, CRD)


def schemas(gvk: GroupVersionKind) -> Schema | None:
    return from_structural(RAW) if gvk == WIDGET else builtin().schema(gvk)


def v3_document(group: str, version: str, resources: tuple[Resource, ...] = EVERY) -> dict[str, Any]:
    found = v3.document(resources, group, version, schemas, "v1.37.1")
    assert found is not None
    return found


@cache
def v2_document() -> dict[str, Any]:
    return v2.document(EVERY, schemas, "v1.37.1")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from [one] if key == "$ref" and isinstance(one, str) else references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_every_reference_leads_somewhere() -> None:
    swagger = v2_document()
    assert {name.removeprefix("#/definitions/") for name in references(swagger)} <= set(swagger["definitions"])
    for group, version in {(one.group, one.version) for one in EVERY}:
        document = v3_document(group, version)
        known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert set(references(document)) <= known


def test_patches_say_which_formats_they_take_and_that_fields_are_validated() -> None:
    patch = v3_document("apps", "v1")["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert list(patch["requestBody"]["content"]) == [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert patch["x-kubernetes-action"] == "patch"
    assert {"fieldValidation", "fieldManager", "force", "dryRun"} == {one["name"] for one in patch["parameters"]}
    item = "/apis/stable.example.com/v1/namespaces/{namespace}/widgets/{name}"
    custom = v3_document("stable.example.com", "v1")["paths"][item]["patch"]
    assert "application/strategic-merge-patch+json" not in custom["requestBody"]["content"]
    assert v2_document()["paths"][item]["patch"]["consumes"] == list(custom["requestBody"]["content"])


def test_operations_have_upstreams_names() -> None:
    paths = v2_document()["paths"]
    base = "/api/v1/namespaces/{namespace}/pods"
    assert paths["/api/v1/pods"]["get"]["operationId"] == "listCoreV1PodForAllNamespaces"
    assert paths[base]["delete"]["operationId"] == "deleteCoreV1CollectionNamespacedPod"
    assert paths[f"{base}/{{name}}"]["put"]["operationId"] == "replaceCoreV1NamespacedPod"
    assert paths[f"{base}/{{name}}/eviction"]["post"]["operationId"] == "createCoreV1NamespacedPodEviction"
    proxy = paths[f"{base}/{{name}}/proxy/{{path}}"]["post"]
    assert proxy["operationId"] == "connectCoreV1PostNamespacedPodProxyWithPath"
    scale = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"]
    assert scale["x-kubernetes-group-version-kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    node = paths["/api/v1/nodes/{name}"]
    assert [one["name"] for one in node["parameters"]] == ["name", "pretty"]
    ids = [op["operationId"] for path in paths.values() for op in path.values() if isinstance(op, dict)]
    assert len(ids) == len(set(ids))


def test_types_are_written_in_both_dialects() -> None:
    old = v2_document()["definitions"]
    new = v3_document("", "v1")["components"]["schemas"]
    spec = "io.k8s.api.core.v1.ServiceSpec"
    merge = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "port",
    }
    assert {key: one for key, one in old[spec]["properties"]["ports"].items() if key != "items"} == merge
    assert new[spec]["properties"]["ports"] == {
        **merge,
        "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.ServicePort"},
    }
    port = "io.k8s.api.core.v1.ServicePort"
    assert new[port]["properties"]["protocol"] == {"type": "string", "default": "TCP"}
    assert old[port]["required"] == ["port"]
    assert new["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["oneOf"] == [{"type": "integer"}, {"type": "string"}]
    assert old["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] == {"type": "string", "format": "int-or-string"}
    assert new["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"] == [
        {"group": "", "kind": "Pod", "version": "v1"}
    ]
    options = old["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]["x-kubernetes-group-version-kind"]
    assert {"group": "stable.example.com", "kind": "DeleteOptions", "version": "v1"} in options
    assert old["io.k8s.api.core.v1.LocalObjectReference"]["x-kubernetes-map-type"] == "atomic"


def test_custom_kinds_keep_their_schema_as_far_as_the_dialect_can_say_it() -> None:
    name = "com.example.stable.v1.Widget"
    new = v3_document("stable.example.com", "v1")["components"]["schemas"][name]
    assert new["properties"]["spec"] == RAW["properties"]["spec"] and new["description"] == "A thing."
    assert new["properties"]["metadata"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    ]
    old = v2_document()["definitions"][name]["properties"]["spec"]["properties"]
    assert old["size"] == {"type": "integer", "minimum": 0, "maximum": 9.5, "enum": [1, 2]}
    assert old["note"] == {} and old["port"] == {"x-kubernetes-int-or-string": True}
    assert old["more"] == {"type": "object", "additionalProperties": {"type": "object"}}
    listed = v2_document()["definitions"][f"{name}List"]
    assert listed["properties"]["items"] == {"type": "array", "items": {"$ref": f"#/definitions/{name}"}}


def test_old_clients_are_not_told_of_fields_where_any_may_be() -> None:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"spec": {}}}

    def of(gvk: GroupVersionKind) -> Schema | None:
        return from_structural(anything) if gvk == WIDGET else builtin().schema(gvk)

    name = "com.example.stable.v1.Widget"
    old = v2.document(EVERY, of, "v1.37.1")["definitions"][name]
    assert set(old) == {"type", "x-kubernetes-group-version-kind"} and old["type"] == "object"
    new = v3.document(EVERY, "stable.example.com", "v1", of, "v1.37.1")
    assert new is not None
    assert set(new["components"]["schemas"][name]["properties"]) == {"spec", "apiVersion", "kind", "metadata"}


def test_objects_within_objects_have_their_fields() -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True}
    unknown = {**embedded, "x-kubernetes-preserve-unknown-fields": True}
    raw = {"type": "object", "properties": {"one": embedded, "any": unknown}}

    def of(gvk: GroupVersionKind) -> Schema | None:
        return from_structural(raw) if gvk == WIDGET else builtin().schema(gvk)

    old = v2.document(EVERY, of, "v1.37.1")["definitions"]["com.example.stable.v1.Widget"]["properties"]
    assert set(old["one"]["properties"]) == {"apiVersion", "kind", "metadata"}
    assert old["one"]["required"] == ["kind", "apiVersion"]
    assert "properties" not in old["any"]


def test_the_index_changes_when_something_does() -> None:
    def hash_of(path: str, resources: tuple[Resource, ...], release: str = "v1.37.1") -> str:
        found = v3.index(resources, schemas, release)["paths"][path]["serverRelativeURL"]
        assert re.fullmatch(rf"/openapi/v3/{path}\?hash=[0-9A-F]{{128}}", found)
        return str(found)

    assert hash_of("apis/apps/v1", EVERY) == hash_of("apis/apps/v1", builtin().resources)
    assert hash_of("api/v1", EVERY) != hash_of("api/v1", EVERY, "v1.37.2")
    before = hash_of("apis/stable.example.com/v1", EVERY)
    RAW["properties"]["spec"]["properties"]["new"] = {"type": "string"}
    try:
        assert hash_of("apis/stable.example.com/v1", EVERY) != before
    finally:
        del RAW["properties"]["spec"]["properties"]["new"]
    assert v3.document(EVERY, "apps", "v2", schemas, "v1.37.1") is None


def test_the_document_in_protobuf_has_what_the_json_has() -> None:
    encoded = gnostic.encode(v2_document())
    for text in (
        b"#/definitions/io.k8s.api.core.v1.PodSpec",
        b"x-kubernetes-patch-merge-key",
        b"patchAppsV1NamespacedDeployment",
    ):
        assert text in encoded
    names = [name for name, _ in top_level(encoded)]
    assert names == [1, 2, 8, 9, 13, 12]
    definitions = dict(top_level(encoded))[9]
    assert len(list(top_level(definitions))) == len(v2_document()["definitions"])


def test_the_answers_type_is_a_proper_one_though_clients_ask_by_another() -> None:
    assert re.fullmatch(r"application/[\w.+-]+", gnostic.CONTENT_TYPE)
    assert "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" in gnostic.ASKED


def top_level(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message whose fields all have a length."""
    place = 0
    while place < len(data):
        tag, place = number_at(data, place)
        size, place = number_at(data, place)
        assert tag & 7 == 2
        yield tag >> 3, data[place : place + size]
        place += size


def number_at(data: bytes, place: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = data[place]
        found, shift, place = found | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return found, place


def test_documents_are_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(v2_document())) == v2_document()


def test_descriptions_come_from_an_installed_package(tmp_path: Path) -> None:
    doc = "Of a pod.\n\n      **parameters**\n\n      * **nodeName** ``str`` - Where.\n    "
    text = f'class PodSpec(DictMixin):\n    r"""{doc}"""\n'
    (tmp_path / "core_v1.py").write_text(text)
    describe = descriptions.describer(tmp_path)
    found = v3.document(EVERY, "", "v1", schemas, "v1.37.1", describe)
    assert found is not None
    spec = found["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]
    assert spec["description"] == "Of a pod."
    assert spec["properties"]["nodeName"] == {"type": "string", "description": "Where."}
    assert "description" not in found["components"]["schemas"]["io.k8s.api.core.v1.Pod"]
    assert undescribed("io.k8s.api.core.v1.PodSpec", "") == ""


def test_custom_kinds_say_of_common_fields_what_all_kinds_say(tmp_path: Path) -> None:
    fields = "    * **apiVersion** ``str`` - Which version.\n    * **metadata** ``meta_v1.ObjectMeta`` - Who it is."
    doc = f'class ConfigMap(DictMixin):\n    r"""Data.\n\n    **parameters**\n\n{fields}\n    """\n'
    (tmp_path / "core_v1.py").write_text(doc)
    describe = descriptions.describer(tmp_path)
    found = v3.document(EVERY, "stable.example.com", "v1", schemas, "v1.37.1", describe)
    assert found is not None
    properties = found["components"]["schemas"]["com.example.stable.v1.Widget"]["properties"]
    assert properties["apiVersion"] == {"type": "string", "description": "Which version."}
    assert properties["metadata"]["description"] == "Who it is." and "$ref" in properties["metadata"]["allOf"][0]


def test_common_fields_are_described_where_nothing_else_is() -> None:
    """In kinds of our own and in custom ones; a field that only bears such a name is no common one."""
    for definitions in (v2_document()["definitions"], v3_document("stable.example.com", "v1")["components"]["schemas"]):
        for name in ("com.example.stable.v1.Widget", "com.example.stable.v1.WidgetList"):
            assert all(definitions[name]["properties"][key]["description"] for key in COMMON), name
    definitions = v2_document()["definitions"]
    assert all(definitions["io.k8s.api.core.v1.Pod"]["properties"][key]["description"] for key in COMMON)
    of_one, of_list = (definitions[f"io.k8s.api.core.v1.{kind}"]["properties"] for kind in ("Pod", "PodList"))
    assert of_one["metadata"]["description"] != of_list["metadata"]["description"]
    assert of_one["kind"]["description"] == of_list["kind"]["description"]
    assert "description" not in definitions["io.k8s.api.core.v1.ObjectReference"]["properties"]["kind"]


def test_the_package_describes_nearly_every_field() -> None:
    """What it leaves out: schemas within schemas, and a few types that are plain values."""
    definitions = v2.document(EVERY, schemas, "v1.37.1", descriptions.installed())["definitions"]
    bare = {
        (name.rpartition(".")[2], key)
        for name, one in definitions.items()
        for key, field in one.get("properties", {}).items()
        if "description" not in field and name.startswith("io.k8s.")
    }
    assert {name for name, _ in bare} <= {"JSONSchemaProps", "ExternalDocumentation", "GroupResource"}


def test_nothing_of_the_package_is_imported() -> None:
    code = "import sys; from corral.model.kubernetes.openapi.descriptions import installed as found; "
    code += "assert found()('io.k8s.api.core.v1.PodSpec', 'nodeName'); sys.exit('lightkube' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

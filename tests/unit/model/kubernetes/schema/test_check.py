"""Objects against their schemas: what is wrong, in upstream's words, and what is tidied."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import Schema, builtin
from corral.model.kubernetes.schema.check import Checked, check, conform
from corral.model.kubernetes.schema.crd import from_structural

POD = GroupVersionKind("", "v1", "Pod")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")


def checked(obj: dict[str, Any], gvk: GroupVersionKind = POD) -> Checked:
    schema = builtin().schema(gvk)
    assert schema is not None
    return conform(obj, schema)


def test_unknown_fields_have_paths_in_the_order_in_which_they_stand() -> None:
    found = checked(
        {"spec": {"b": 1, "containers": [{}, {"x": 1}]}, "a": 1, "metadata": {"labels": {"any": "y"}, "z": 0}}
    )
    assert found.unknown == (
        'unknown field "spec.b"',
        'unknown field "spec.containers[1].x"',
        'unknown field "a"',
        'unknown field "metadata.z"',
    )
    assert found.object == {"spec": {"containers": [{}, {}]}, "metadata": {"labels": {"any": "y"}}}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"replicas": "x"}, "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (
            {"replicas": 1.5},
            "cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        ({"replicas": 2**31}, "cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas"),
        ({"replicas": True}, "cannot unmarshal bool into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ({"paused": 1}, "cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool"),
        (
            {"template": []},
            "cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec",
        ),
        (
            {"template": {"spec": {"containers": {}}}},
            "cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            {"template": {"spec": {"containers": [{"env": 1}]}}},
            "cannot unmarshal number into Go struct field Container.spec.template.spec.containers.env of type []v1.Env",
        ),
        (
            {"template": {"metadata": {"labels": {"a": 1}}}},
            "cannot unmarshal number into Go struct field ObjectMeta.spec.template.metadata.labels of type string",
        ),
        ({"strategy": {"rollingUpdate": {"maxSurge": {}}}}, "cannot unmarshal object into Go value of type int32"),
    ],
)
def test_wrong_types(spec: dict[str, Any], says: str) -> None:
    assert checked({"spec": spec}, DEPLOYMENT).mistyped.startswith(f"json: {says}")


@pytest.mark.parametrize("value", ["", "x", "1.2.3", "1KiB", "--1", [], {}, True])
def test_quantities_that_are_none(value: Any) -> None:
    container = {"resources": {"limits": {"cpu": value}}}
    found = checked({"spec": {"containers": [container]}}).mistyped
    assert found.startswith(("quantities must match", "unable to parse"))


def test_quantities_are_written_as_upstream_would() -> None:
    limits = {"cpu": "1000m", "memory": "1024Ki", "e": 0.5, "none": None}
    found = checked({"spec": {"containers": [{"resources": {"limits": limits}}]}}).object
    written = {"cpu": "1", "memory": "1Mi", "e": "500m", "none": "0"}
    assert found["spec"]["containers"][0]["resources"]["limits"] == written


def test_a_quota_of_null_is_one_of_nothing() -> None:
    found = checked({"spec": {"hard": {"limits.cpu": None}}}, GroupVersionKind("", "v1", "ResourceQuota")).object
    assert found["spec"]["hard"] == {"limits.cpu": "0"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("yesterday", 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'),
        ("2026-01-02", 'parsing time "2026-01-02" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2026-02-30T00:00:00Z", 'parsing time "2026-02-30T00:00:00Z": day out of range'),
        (5, "json: cannot unmarshal number into Go value of type string"),
    ],
)
def test_times_that_are_none(value: Any, says: str) -> None:
    assert checked({"metadata": {"creationTimestamp": value}}).mistyped == says


def test_a_secret_that_is_no_base64() -> None:
    found = checked({"data": {"a": "YQ=="}, "stringData": {"b": "%"}}, GroupVersionKind("", "v1", "Secret"))
    assert not found.faults
    found = checked({"data": {"a": "ab%d"}}, GroupVersionKind("", "v1", "Secret"))
    assert found.mistyped == "illegal base64 data at input byte 2"


def test_what_fits_is_made_tidy_as_go_would() -> None:
    pod = {
        "metadata": {"creationTimestamp": None, "labels": {}, "annotations": {"a": None}, "finalizers": []},
        "spec": {
            "hostNetwork": False,
            "nodeName": "",
            "priority": 0,
            "securityContext": {},
            "containers": [{"name": "c", "resources": {"limits": {"cpu": 2}}, "args": [None]}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
        "status": {"startTime": "2026-01-02T03:04:05.9+01:00"},
    }
    assert checked(pod).object == {
        "metadata": {"annotations": {"a": ""}},
        "spec": {
            "priority": 0,
            "securityContext": {},
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}, "args": [""]}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
        "status": {"startTime": "2026-01-02T02:04:05Z"},
    }


def test_the_argument_is_left_alone() -> None:
    pod: dict[str, Any] = {"spec": {"x": 1, "hostNetwork": False}, "metadata": None}
    checked(pod)
    assert pod == {"spec": {"x": 1, "hostNetwork": False}, "metadata": None}


def test_faults_are_counted_up_to_a_hundred_and_said_once() -> None:
    spec = {f"field{index}": 1 for index in range(500)}
    assert len(checked({"spec": spec}).unknown) == 100


def test_a_wrong_type_is_found_behind_any_number_of_unknown_fields() -> None:
    spec: dict[str, Any] = {f"field{index}": 1 for index in range(500)} | {"hostIPC": "x"}
    assert checked({"spec": spec}).mistyped.endswith("PodSpec.spec.hostIPC of type bool")
    many = checked({"spec": {"containers": [1] * 10_000}})
    assert len(many.faults) == 10


def test_a_type_without_fields_has_none() -> None:
    empty = [name for name in builtin().data.types if not list(builtin().data.fields(name))]
    for name in empty:
        assert conform({"a": 1}, builtin().type(name)).unknown == ('unknown field "a"',)


@pytest.mark.parametrize("data", [{"a": None}, [1], "x", False])
def test_raw_json_may_be_anything(data: Any) -> None:
    revision = {"data": data, "revision": 1}
    assert checked(revision, GroupVersionKind("apps", "v1", "ControllerRevision")) == Checked(revision, ())


def test_schemas_in_definitions_of_custom_kinds() -> None:
    def crd(schema: Any) -> dict[str, Any]:
        return {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}

    gvk = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    good = {"type": "object", "additionalProperties": True, "x-kubernetes-preserve-unknown-fields": True}
    assert checked(crd(good), gvk) == Checked(crd(good), ())
    nested = {"properties": {"a": {"items": {"type": "string"}, "default": {"any": [None, 1]}, "enum": [1, "a", None]}}}
    assert checked(crd(nested), gvk) == Checked(crd(nested), ())
    wrong = checked(crd({"properties": {"a": {"typ": "x", "items": {"typ": "y"}}}}), gvk)
    assert wrong.unknown == ('unknown field "spec.versions[0].schema.openAPIV3Schema.properties.a.typ"',)
    assert wrong.object == crd({"properties": {"a": {"items": {}}}})
    assert checked(crd({"type": 5}), gvk).mistyped.endswith("openAPIV3Schema.type of type string")


CUSTOM = from_structural(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "note": {"type": "string", "nullable": True},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {}}}},
                    "when": {"type": "string", "format": "date-time"},
                    "port": {"x-kubernetes-int-or-string": True},
                    "pod": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {}}},
                },
            }
        },
    }
)


def test_custom_objects_are_pruned_but_their_types_are_for_validation_to_judge() -> None:
    spec = {
        "size": "no number",
        "note": None,
        "other": 1,
        "free": {"any": None},
        "map": {"k": {"a": 1, "b": 2}},
        "when": "2026-01-02T03:04:05.9+01:00",
        "port": True,
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "y": 1}, "status": {}},
    }
    found = conform({"apiVersion": "e.com/v1", "kind": "Widget", "spec": spec}, CUSTOM)
    assert not found.mistyped
    assert found.unknown == tuple(
        f'unknown field "spec.{name}"' for name in ("other", "map.k.b", "pod.metadata.y", "pod.status")
    )
    assert found.object["spec"] == {
        **{key: spec[key] for key in ("size", "note", "free", "when", "port")},
        "map": {"k": {"a": 1}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}},
    }


def test_metadata_of_custom_objects_is_typed() -> None:
    found = conform({"metadata": {"labels": {"a": 1}}}, CUSTOM)
    assert (
        found.mistyped == "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"
    )


def test_a_custom_schema_cannot_pass_as_a_built_in_one() -> None:
    odd = Schema("object", properties={"a": Schema("string", "quantity"), "b": Schema("", "schema-or-bool")})
    assert conform({"a": "?", "b": {"c": 1}}, odd) == Checked({"a": "?", "b": {"c": 1}}, ())


@pytest.mark.parametrize("obj", [None, 1, "x", [], True])
def test_what_is_no_object_at_all(obj: Any) -> None:
    schema = builtin().schema(POD)
    assert schema is not None
    assert conform(obj, schema).object is None
    assert obj is None or check(obj, schema)[0].text.endswith("into Go value of type v1.Pod")

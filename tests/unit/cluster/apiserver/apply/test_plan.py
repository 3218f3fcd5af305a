import pytest

from corral.cluster.apiserver.apply import plan
from corral.cluster.apiserver.apply.plan import DEDUCED, UNTYPED
from corral.cluster.apiserver.apply.typed_errors import TypedError
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import builtin
from corral.model.kubernetes.schema.types import Schema
from tests.unit.cluster.apiserver.apply.schemas import PORT, SPEC, TEXT


def kind(group, version, name):
    return plan.of_schema(builtin().schema(GroupVersionKind(group, version, name)))


def test_a_plan_is_made_once():
    assert plan.of_schema(SPEC) is plan.of_schema(SPEC)
    assert plan.of_schema(None) is DEDUCED


def test_keys_that_are_left_out_have_their_defaults():
    ports = plan.of_schema(SPEC).fields["ports"]
    assert ports.element({"port": 80}) == ports.element({"protocol": "TCP", "port": 80, "name": "x"})
    assert ports.element({"protocol": "UDP"}) == 'k:{"protocol":"UDP"}'
    optional = plan.of_schema(Schema("array", items=PORT, list_type="map", list_map_keys=("port", "name")))
    assert optional.element({"name": "x"}) == 'k:{"name":"x"}'
    with pytest.raises(TypedError, match="omits all key fields"):
        optional.element({"protocol": "TCP"})


def test_built_in_kinds_are_what_upstream_says():
    pod = kind("", "v1", "Pod").fields["spec"]
    assert pod.fields["containers"].keys == ("name",)
    ports = pod.fields["containers"].item.fields["ports"]
    assert ports.element({"containerPort": 80}) == 'k:{"containerPort":80,"protocol":"TCP"}'
    assert pod.fields["tolerations"].list == "atomic" and pod.fields["nodeSelector"].map == "atomic"
    assert kind("", "v1", "Service").fields["spec"].fields["ports"].keys == ("port", "protocol")
    meta = kind("", "v1", "Pod").fields["metadata"]
    assert meta.fields["finalizers"].list == "set" and meta.fields["ownerReferences"].keys == ("uid",)
    assert not pod.loose and kind("apps", "v1", "ControllerRevision").loose
    assert kind("apps", "v1", "ControllerRevision").fields["data"] is UNTYPED


def test_what_the_schema_does_not_say_is_deduced():
    free = plan.of_schema(Schema("object", properties={"a": Schema(), "b": Schema("object"), "c": Schema("array")}))
    assert free.fields["a"].value is DEDUCED and free.fields["b"].value is DEDUCED
    assert free.fields["c"].item is UNTYPED and free.field("unknown") is UNTYPED
    assert free.fields["b"].free and not free.free


def test_below_what_keeps_unknown_fields_all_do():
    inner = Schema("object", properties={"x": TEXT})
    found = plan.of_schema(Schema("object", properties={"in": inner}, preserve_unknown=True)).fields["in"]
    assert found.value is DEDUCED
    assert plan.of_schema(Schema("object", properties={"in": inner})).fields["in"].value is None


def test_metadata_of_custom_objects_is_known_without_a_schema_of_its_own():
    embedded = Schema("object", properties={"metadata": Schema("object")}, embedded=True)
    custom = plan.of_schema(Schema("object", properties={"metadata": Schema("object"), "pod": embedded}))
    for found in (custom, custom.fields["pod"]):
        assert found.fields["metadata"].fields["labels"].map == "granular"
        assert found.fields["metadata"].fields["ownerReferences"].item is UNTYPED
        assert found.fields["kind"].scalar == "string"


@pytest.mark.parametrize(
    ("schema", "scalar"),
    [
        (Schema("integer"), "numeric"),
        (Schema("number"), "numeric"),
        (Schema("string"), "string"),
        (Schema("string", "byte"), "string"),
        (Schema("string", "date-time"), "untyped"),
        (Schema("string", "quantity"), "untyped"),
        (Schema("", "int-or-string"), "untyped"),
        (Schema("boolean"), "boolean"),
    ],
)
def test_scalars(schema, scalar):
    found = plan.of_schema(Schema("object", properties={"x": schema})).fields["x"]
    assert (found.scalar, found.map, found.list) == (scalar, "", "")

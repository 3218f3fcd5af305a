import pytest

from corral.cluster.apiserver.apply import plan, pruning
from corral.cluster.apiserver.apply.fieldset import of_paths
from corral.model.kubernetes.schema.types import Schema
from tests.unit.cluster.apiserver.apply.schemas import ROOT, SPEC, TEXT

PLAN = plan.of_schema(SPEC)
A = 'k:{"name":"a"}'


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        ([("replicas",)], {"map": {"a": "1", "b": "2"}, "list": [{"name": "a", "value": 1}, {"name": "b"}]}),
        ([("map", "a"), ("list", A)], {"replicas": 1, "map": {"b": "2"}, "list": [{"name": "b"}]}),
        ([("map", "a"), ("map", "b"), ("list",)], {"replicas": 1}),
        ([("list", A, "value")], {"replicas": 1, "map": {"a": "1", "b": "2"}, "list": [{"name": "a"}, {"name": "b"}]}),
        ([("map",), ("list",), ("replicas",)], {}),
    ],
)
def test_what_is_left(paths, left):
    obj = {"replicas": 1, "map": {"a": "1", "b": "2"}, "list": [{"name": "a", "value": 1}, {"name": "b"}]}
    assert pruning.remove(obj, of_paths(*paths), PLAN) == left


def test_structs_above_members_are_named_and_maps_are_not():
    root = plan.of_schema(ROOT)
    found = pruning.with_structs(of_paths(("spec", "map", "a"), ("spec", "list", A, "value")), root)
    assert found == of_paths(
        ("spec",), ("spec", "map"), ("spec", "map", "a"), ("spec", "list"), ("spec", "list", A, "value")
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([("map", "a"), ("map", "b"), ("text",)], [("map",), ("text",)]),
        ([("map",), ("map", "a")], [("map",)]),
        ([("map",)], [("map",)]),
        ([("list", A, "name"), ("any", "x", "y")], [("list",), ("any", "x", "y")]),
    ],
)
def test_what_has_become_atomic_is_owned_whole(before, after):
    atomic = Schema(
        "object",
        properties={
            "text": TEXT,
            "map": Schema("object", values=TEXT, map_type="atomic"),
            "list": Schema("array", items=SPEC.properties["list"].items),
            "any": Schema("object", preserve_unknown=True),
        },
    )
    assert pruning.reconcile(of_paths(*before), plan.of_schema(atomic)) == of_paths(*after)


def test_a_set_that_fits_is_left_as_it_is():
    fields = of_paths(("map", "a"), ("list", A, "name"), ("gone", "x"))
    assert pruning.reconcile(fields, PLAN) is fields

import pytest

from corral.cluster.apiserver.apply import fieldset
from corral.cluster.apiserver.apply.elements import BadElement
from corral.cluster.apiserver.apply.fieldset import of_paths

A = of_paths(("a",), ("b", "c"), ("b", "d"), ("e",), ("e", "f"))
B = of_paths(("b", "c"), ("e",), ("z",))


def test_union_difference_and_intersection():
    assert fieldset.union(A, B) == of_paths(("a",), ("b", "c"), ("b", "d"), ("e",), ("e", "f"), ("z",))
    assert fieldset.difference(A, B) == of_paths(("a",), ("b", "d"), ("e", "f"))
    assert fieldset.intersection(A, B) == of_paths(("b", "c"), ("e",))
    assert fieldset.without(A, B) == of_paths(("a",), ("b", "d"))
    assert fieldset.difference(A, A) == fieldset.intersection(A, {}) == {}


def test_sets_that_are_combined_stay_as_they_were():
    before = fieldset.to_wire(A)
    fieldset.union(A, B), fieldset.difference(A, B), fieldset.without(A, B)
    assert fieldset.to_wire(A) == before


def test_membership():
    assert fieldset.has(A, ("f:e",)) and fieldset.has(A, ("f:b", "f:c"))
    assert not fieldset.has(A, ("f:b",)) and not fieldset.has(A, ("f:q", "f:c")) and not fieldset.has(A, ())


def test_the_wire_form_has_empty_objects_for_leaves_and_is_in_order():
    wire = fieldset.to_wire(of_paths(("b",), ("a", 'v:"x"'), ("a", 'k:{"n":1}', "n"), ("a", 'k:{"n":1}'), ("a", "f")))
    assert list(wire) == ["f:a", "f:b"]
    assert wire["f:a"] == {"f:f": {}, 'k:{"n":1}': {".": {}, "f:n": {}}, 'v:"x"': {}}
    assert list(wire["f:a"]) == ["f:f", 'k:{"n":1}', 'v:"x"']
    assert fieldset.to_wire(fieldset.from_wire(wire)) == wire


@pytest.mark.parametrize(
    ("wire", "paths"),
    [
        (None, []),
        ({}, []),
        ({".": {}}, []),
        ({"f:a": None}, [("a",)]),
        ({"f:a": {"x:later": {}}}, [("a",)]),
        ({'k:{"b":1,"a":2}': {}, 'k:{"a":2,"b":1.0}': {"f:c": {}}}, [('k:{"a":2,"b":1}',), ('k:{"a":2,"b":1}', "c")]),
    ],
)
def test_what_clients_may_send(wire, paths):
    assert fieldset.from_wire(wire) == of_paths(*paths)


@pytest.mark.parametrize("wire", [[], "x", {"f:a": 1}, {"nocolon": {}}, {"f:a": {"k:x": {}}}])
def test_what_is_no_set(wire):
    with pytest.raises(BadElement):
        fieldset.from_wire(wire)


@pytest.mark.parametrize(
    ("path", "touched"),
    [(("a",), True), (("b",), False), (("b", "c"), True), (("b", "x"), False), (("e",), True), (("a", "x"), False)],
)
def test_a_set_on_the_wire_is_asked_without_decoding(path, touched):
    assert fieldset.touches(fieldset.to_wire(A), of_paths(path)) is touched
    assert bool(fieldset.intersection(A, of_paths(path))) is touched


def test_paths_come_level_by_level_and_are_shown():
    assert [fieldset.shown(path) for path in fieldset.paths(A)] == [".a", ".e", ".b.c", ".b.d", ".e.f"]
    assert fieldset.shown(("f:x", 'v:"a"', "i:1")) == '.x[="a"][1]'

"""Laws of patches and of server-side apply, for whatever objects there may be."""

import copy
from datetime import UTC, datetime

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from corral.cluster.apiserver.apply import entries, fieldset, managed, plan, pruning
from corral.cluster.apiserver.apply.comparing import compare, everything
from corral.cluster.apiserver.apply.merging import merge
from corral.cluster.apiserver.apply.typed import check, field_set
from corral.cluster.apiserver.patch import json_patch, merge_patch, strategic
from corral.model.kubernetes import quantity, selectors
from corral.model.kubernetes.schema.types import Schema
from corral.model.kubernetes.status import StatusError
from tests.unit.cluster.apiserver.apply.schemas import ROOT

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLAN = plan.of_schema(ROOT)

few = st.sampled_from
numbers, texts, names = st.integers(0, 3), few(["", "x", "y"]), few(["a", "b", "c"])


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


def keyed(items, key):
    return st.lists(items, max_size=3, unique_by=key)


ITEMS = keyed(
    st.fixed_dictionaries({"name": names}, optional={"value": numbers, "other": numbers}), lambda one: one["name"]
)
PORTS = keyed(
    st.fixed_dictionaries({"port": numbers}, optional={"protocol": few(["TCP", "UDP"]), "name": names}),
    lambda one: (one["port"], one.get("protocol", "TCP")),
)
JSON = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.just(1.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
SPECS = optional(
    replicas=numbers,
    text=texts,
    flag=st.booleans(),
    list=ITEMS,
    ports=PORTS,
    set=st.lists(names, max_size=3, unique=True),
    whole=st.lists(names, max_size=2),
    map=st.dictionaries(names, texts, max_size=3),
    structs=st.dictionaries(names, optional(name=names, value=numbers), max_size=2),
    atom=optional(a=numbers, b=numbers),
    size=numbers | texts,
    any=st.dictionaries(names, JSON, max_size=3),
)


def things(specs=SPECS):
    meta = st.fixed_dictionaries({"name": st.just("a")}, optional={"labels": st.dictionaries(names, texts, max_size=2)})
    fixed = {"apiVersion": st.just("x/v1"), "kind": st.just("Thing"), "metadata": meta}
    return st.fixed_dictionaries(fixed, optional={"spec": specs, "status": optional(phase=texts, conditions=ITEMS)})


STEPS = st.lists(st.tuples(few(["update", "apply"]), few(["one", "two", "three"]), things()), min_size=1, max_size=6)


def after(steps):
    """The object after some writes, each of whom takes what it wants."""
    live = None
    for verb, who, obj in steps:
        if verb == "apply":
            live = managed.on_apply(live, obj, who, True, "", "x/v1", ROOT, NOW)
        else:
            kept = {key: value for key, value in (live or {}).get("metadata", {}).items() if key == "managedFields"}
            new = {**obj, "metadata": {**obj["metadata"], "uid": "u", **kept}}
            live = managed.on_update(live, new, who, "", "x/v1", ROOT, NOW)
        live = {**live, "metadata": {**live["metadata"], "uid": "u"}}
    return live


def owned(obj):
    return [one.fields for one in entries.decode(obj["metadata"].get("managedFields")).values()]


@given(STEPS, things())
@settings(max_examples=300, deadline=None)
def test_applying_twice_is_applying_once(steps, obj):
    live = managed.on_apply(after(steps), obj, "me", True, "", "x/v1", ROOT, NOW)
    assume("managedFields" in live["metadata"])  # an object that nobody owns gets "before-first-apply" with each apply
    assert managed.on_apply(live, obj, "me", False, "", "x/v1", ROOT, NOW) == live


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_what_is_owned_is_there(steps):
    live = after(steps)
    bare = {**live, "metadata": {key: value for key, value in live["metadata"].items() if key != "managedFields"}}
    there = fieldset.union(everything(bare, PLAN), field_set(bare, PLAN))
    for fields in owned(live):
        assert fieldset.difference(fields, there) == {}
        assert fields


@given(STEPS, things())
@settings(max_examples=200, deadline=None)
def test_what_is_applied_is_there_and_mine(steps, obj):
    live = managed.on_apply(after(steps), obj, "me", True, "", "x/v1", ROOT, NOW)
    assert merge(live, obj, PLAN) == live
    assert fieldset.difference(field_set(obj, PLAN), everything(live, PLAN)) == {}


@given(STEPS, things())
@settings(max_examples=200, deadline=None)
def test_without_force_nothing_of_others_changes(steps, obj):
    live = after(steps)
    before = copy.deepcopy((live, obj))
    try:
        found = managed.on_apply(live, obj, "me", False, "", "x/v1", ROOT, NOW)
    except StatusError as error:
        assert error.code == 409 and error.details["causes"]
    else:
        changed = compare(live, found, PLAN)
        others = [
            one.fields
            for one in entries.decode(live["metadata"].get("managedFields")).values()
            if (one.manager.name, one.manager.operation) != ("me", "Apply")
        ]
        for fields in others:
            assert not fieldset.intersection(fields, changed.modified)
    assert (live, obj) == before


@given(things(), things())
@settings(deadline=None)
def test_a_comparison_says_what_there_is_to_say(old, new):
    found, back = compare(old, new, PLAN), compare(new, old, PLAN)
    assert (found.removed, found.modified, found.added) == (back.added, back.modified, back.removed)
    assert not fieldset.intersection(found.removed, found.added)
    assert bool(compare(old, old, PLAN)) is False


@given(things(), things(), things())
@settings(deadline=None)
def test_merging(one, two, three):
    assert check(one, PLAN) == []
    assert merge(one, one, PLAN) == one
    both = merge(one, two, PLAN)
    assert merge(both, two, PLAN) == both
    assert compare(merge(both, three, PLAN), merge(one, merge(two, three, PLAN), PLAN), PLAN).modified == {}


@given(things())
@settings(deadline=None)
def test_a_set_survives_the_wire_and_taking_all_of_it_leaves_nothing(obj):
    fields = everything(obj, PLAN)
    fields.pop(".")
    assert fieldset.from_wire(fieldset.to_wire(fields)) == fields
    assert pruning.remove(obj, fields, PLAN) == {}


@given(JSON, JSON, JSON)
@settings(deadline=None)
def test_sets_follow_the_laws_of_sets(one, two, three):
    a, b, c = (field_set({"x": one}, plan.DEDUCED) for one in (one, two, three))
    assert fieldset.union(a, b) == fieldset.union(b, a)
    assert fieldset.intersection(a, b) == fieldset.intersection(b, a)
    assert fieldset.union(fieldset.difference(a, b), fieldset.intersection(a, b)) == a
    assert fieldset.difference(fieldset.difference(a, b), c) == fieldset.difference(a, fieldset.union(b, c))
    assert fieldset.touches(fieldset.to_wire(a), b) == bool(fieldset.intersection(a, b))


# --------------------------------------------------------------------------------------------------------- patches

OBJECTS = st.dictionaries(names, JSON, max_size=3)


def rfc7386(target, patch):
    """The pseudo code of the RFC."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = rfc7386(found.get(key), value)
    return found


@given(OBJECTS, OBJECTS)
@settings(deadline=None)
def test_a_merge_patch_is_what_the_rfc_says(obj, patch):
    before = copy.deepcopy((obj, patch))
    found = merge_patch.apply(obj, patch)
    assert found == rfc7386(obj, patch)
    assert merge_patch.apply(found, patch) == found
    assert (obj, patch) == before


@given(OBJECTS, st.lists(st.fixed_dictionaries({}, optional={
    "op": few(["add", "remove", "replace", "move", "copy", "test", "fly"]),
    "path": few(["", "/", "/a", "/b", "/a/b", "/a/0", "/a/-", "/a/-1", "/a/b/c", "/~0~1", "a"]) | JSON,
    "from": few(["", "/a", "/b", "/a/b", "/a/0"]),
    "value": JSON,
}) | JSON, max_size=5))  # fmt: skip
@settings(max_examples=500, deadline=None)
def test_a_json_patch_fits_or_is_refused(obj, operations):
    before = copy.deepcopy((obj, operations))
    try:
        assert isinstance(json_patch.apply(obj, operations), dict)
    except StatusError as error:
        assert error.code in (400, 422)
    assert (obj, operations) == before


@given(OBJECTS, names, JSON)
@settings(deadline=None)
def test_json_patches_can_be_undone(obj, key, value):
    added = json_patch.apply(obj, [{"op": "add", "path": f"/{key}", "value": value}])
    assert added[key] == value
    undo = (
        {"op": "replace", "path": f"/{key}", "value": obj[key]} if key in obj else {"op": "remove", "path": f"/{key}"}
    )
    assert json_patch.apply(added, [undo]) == obj


MERGED = Schema("object", name="x.Merged", properties={
    "list": Schema("array", items=Schema("object", name="x.Item", properties={
        "name": Schema("string"), "value": Schema("integer"), "other": Schema("integer")}),
        patch_strategy=("merge",), patch_merge_key="name"),
    "set": Schema("array", items=Schema("string"), patch_strategy=("merge",)),
    "map": Schema("object", values=Schema("string")),
    "whole": Schema("array", items=Schema("string")),
})  # fmt: skip
MERGEABLE = optional(
    list=ITEMS,
    set=st.lists(names, max_size=3, unique=True),
    map=st.dictionaries(names, texts, max_size=3),
    whole=st.lists(names, max_size=2),
)


def naive(old, patch):
    """A strategic merge, without any order: lists as dictionaries, sets as sets."""
    items = {one["name"]: one for one in old.get("list", ())}
    for one in patch.get("list", ()):
        items[one["name"]] = {**items.get(one["name"], {}), **one}
    return {
        "list": items,
        "set": {*old.get("set", ()), *patch.get("set", ())},
        "map": {**old.get("map", {}), **patch.get("map", {})},
        "whole": patch.get("whole", old.get("whole", [])),
    }


@given(MERGEABLE, MERGEABLE)
@settings(max_examples=300, deadline=None)
def test_a_strategic_merge_is_a_naive_one_in_order(old, patch):
    found = strategic.apply(old, patch, MERGED)
    assert naive(found, {}) == naive(old, patch)
    assert strategic.apply(found, patch, MERGED) == found
    wanted = [one["name"] for one in patch.get("list", ())]
    assert [one["name"] for one in found.get("list", ()) if one["name"] in wanted] == wanted
    assert len(found.get("set", ())) == len(set(found.get("set", ())))


@given(MERGEABLE, MERGEABLE)
@settings(deadline=None)
def test_the_order_that_a_patch_asks_for_is_the_order(old, new):
    items, order = new.get("list", []), [{"name": one["name"]} for one in new.get("list", [])]
    gone = [
        {"name": one["name"], "$patch": "delete"} for one in old.get("list", []) if {"name": one["name"]} not in order
    ]
    found = strategic.apply(old, {"list": [*items, *gone], "$setElementOrder/list": order}, MERGED)
    assert [{"name": one["name"]} for one in found["list"]] == order


DIRECTIVES = few(
    ["$patch", "$retainKeys", "$setElementOrder/list", "$deleteFromPrimitiveList/set", "list", "set", "map"]
)
WILD = st.recursive(
    st.none() | texts | few(["delete", "replace", "merge"]) | numbers,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(DIRECTIVES | names | st.just("name"), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(MERGEABLE | OBJECTS | WILD.filter(lambda one: isinstance(one, dict)), WILD)
@settings(max_examples=500, deadline=None)
def test_a_strategic_merge_patch_is_taken_or_refused(old, patch):
    before = copy.deepcopy((old, patch))
    try:
        strategic.apply(old, patch, MERGED)
    except StatusError as error:
        assert error.code in (400, 422)
    assert (old, patch) == before


@given(WILD, WILD, things(), few(["me", "kubectl"]))
@settings(max_examples=300, deadline=None)
def test_whatever_is_applied_is_taken_or_refused(wild, meta, live, who):
    applied = {"apiVersion": "x/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": wild}
    for schema in (ROOT, None):
        for one in (
            applied,
            {**applied, "metadata": meta},
            {**applied, "metadata": {"annotations": wild, "labels": meta}},
        ):
            try:
                managed.on_apply(live, one, who, False, "", "x/v1", schema, NOW)
            except StatusError as error:
                assert error.code in (400, 409)


@given(things(), things(), JSON)
@settings(deadline=None)
def test_whatever_managed_fields_a_client_sends_a_write_goes_through(live, new, wild):
    live = managed.on_update(None, live, "me", "", "x/v1", ROOT, NOW)
    sent = {**new, "metadata": {**new["metadata"], "managedFields": wild}}
    assert (
        entries.problem(managed.on_update(live, sent, "me", "", "x/v1", ROOT, NOW)["metadata"].get("managedFields"))
        == ""
    )


# ---------------------------------------------------------------------------------------------- quantities, selectors


@given(
    st.from_regex(
        r"[+-]?[0-9]{1,12}(\.[0-9]{0,9})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[+-]?[0-9]{1,2})?", fullmatch=True
    )
)
@settings(deadline=None)
def test_a_quantity_is_what_its_canonical_form_is(text):
    found = quantity.parse(text)
    shown = quantity.canonical(found.nanos, found.format)
    assert quantity.parse(shown) == found == quantity.parse(str(found))
    assert quantity.canonical(quantity.parse(shown).nanos, quantity.parse(shown).format) == shown


@given(st.text(alphabet="ab=!(),<> in", max_size=20))
@settings(deadline=None)
def test_a_selector_is_what_it_is_shown_as(text):
    try:
        found = selectors.parse(text)
    except selectors.BadSelector:
        return
    assert str(selectors.parse(str(found))) == str(found)
    for labels in ({}, {"a": "b"}, {"a": "", "b": "5"}):
        assert selectors.parse(str(found)).matches(labels) == found.matches(labels)

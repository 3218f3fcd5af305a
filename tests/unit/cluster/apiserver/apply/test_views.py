"""Who owns what where the versions of a kind name their fields differently: v1 has `replicas`, v2 has `size`."""

import pytest

from corral.cluster.apiserver.apply import managed, plan, reset_fields
from corral.cluster.apiserver.apply.views import ALIKE, View
from corral.model.kubernetes.schema.types import Schema
from corral.model.kubernetes.status import StatusError, internal
from tests.unit.cluster.apiserver.apply.schemas import META, NUMBER, ROOT, TEXT
from tests.unit.cluster.apiserver.apply.test_managed import FIRST, SECOND, owners, thing

SPEC = Schema("object", properties={"size": NUMBER, "text": TEXT})
NEW = Schema(
    "object",
    raw={"type": "object"},
    properties={"apiVersion": TEXT, "kind": TEXT, "metadata": META, "spec": SPEC},
)


def renamed(obj, old, new, version):
    spec = {new if key == old else key: value for key, value in obj.get("spec", {}).items()}
    return {**obj, "apiVersion": version, "spec": spec}


def newer(obj):
    return renamed(obj, "replicas", "size", "x/v2")


def older(obj):
    return renamed(obj, "size", "replicas", "x/v1")


def views(api_version):
    """Of v2, for whom v1 is another and v3 is alike."""
    if api_version == "x/v1":
        return View(plan.of_schema(ROOT), reset_fields.NOTHING, older, newer)
    return ALIKE if api_version == "x/v3" else None


def apply(live, spec, manager, *, force=False, seen=views):
    applied = {**thing(spec), "apiVersion": "x/v2"}
    return managed.on_apply(live, applied, manager, force, "", "x/v2", NEW, SECOND, kind="Thing", views=seen)


def applied_in_v1(spec, manager="one"):
    return newer(managed.on_apply(None, thing(spec), manager, False, "", "x/v1", ROOT, FIRST, kind="Thing"))


def test_a_change_of_what_is_owned_in_another_version_is_a_conflict():
    live = applied_in_v1({"replicas": 1})
    assert {key[0]: fields for key, (fields, _) in owners(apply(live, {"size": 1}, "two")).items()} == {
        "one": {"f:spec": {"f:replicas": {}}},
        "two": {"f:spec": {"f:size": {}}},
    }
    with pytest.raises(StatusError) as caught:
        apply(live, {"size": 2}, "two")
    assert [one["field"] for one in caught.value.details["causes"]] == [".spec.replicas"]
    forced = apply(live, {"size": 2}, "two", force=True)
    assert forced["spec"] == {"size": 2} and [key[0] for key in owners(forced)] == ["two"]


def test_an_update_takes_what_is_owned_in_another_version():
    live = applied_in_v1({"replicas": 1, "text": "x"})
    changed = {**live, "spec": {"size": 2, "text": "x"}}
    found = managed.on_update(live, changed, "editor", "", "x/v2", NEW, SECOND, views=views)
    assert {key[0]: fields for key, (fields, _) in owners(found).items()} == {
        "one": {"f:spec": {"f:text": {}}},
        "editor": {"f:spec": {"f:size": {}}},
    }


def test_what_was_applied_in_another_version_and_is_not_now_goes():
    live = applied_in_v1({"replicas": 1, "text": "x"})
    assert apply(live, {"text": "x"}, "one")["spec"] == {"text": "x"}
    shared = apply(live, {"size": 1}, "two")
    assert apply(shared, {"text": "x"}, "one")["spec"] == {"size": 1, "text": "x"}


def test_what_others_own_in_another_version_stays():
    live = apply(applied_in_v1({"replicas": 1}), {"size": 1, "text": "x"}, "two")
    assert apply(live, {"text": "x"}, "two")["spec"] == {"size": 1, "text": "x"}


def test_entries_of_versions_that_are_gone_are_forgotten():
    live = applied_in_v1({"replicas": 1})
    assert [key[0] for key in owners(apply(live, {"size": 2}, "two", seen=lambda version: None))] == ["two"]


def test_a_conversion_that_fails_leaves_owners_as_they_were():
    def fail(obj):
        raise internal("no cows")

    def broken(api_version):
        return View(plan.of_schema(ROOT), reset_fields.NOTHING, fail, fail)

    live = applied_in_v1({"replicas": 1})
    changed = {**live, "spec": {"size": 2}}
    found = managed.on_update(live, changed, "editor", "", "x/v2", NEW, SECOND, views=broken)
    assert owners(found) == owners(live)
    with pytest.raises(StatusError, match="no cows"):
        apply(live, {"size": 2}, "two", seen=broken)

import copy
from datetime import UTC, datetime

import pytest

from corral.cluster.apiserver.apply import managed, reset_fields
from corral.cluster.apiserver.apply.views import only
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import builtin
from corral.model.kubernetes.status import StatusError
from tests.unit.cluster.apiserver.apply.schemas import ROOT

FIRST, SECOND = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
EARLY, LATE = "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"
STATUS_OF = {"": reset_fields.of_kind("x", "Thing", "", has_status=True),
             "status": reset_fields.of_kind("x", "Thing", "status", has_status=True, custom=True)}  # fmt: skip


def thing(spec=None, status=None, **metadata):
    found = {"apiVersion": "x/v1", "kind": "Thing", "metadata": {"name": "a", **metadata}}
    return found | ({"spec": spec} if spec is not None else {}) | ({"status": status} if status is not None else {})


def update(live, new, manager="editor", subresource="", now=SECOND, version="x/v1"):
    before = copy.deepcopy((live, new))
    found = managed.on_update(live, new, manager, subresource, version, ROOT, now, reset=STATUS_OF[subresource])
    assert (live, new) == before
    return found


def apply(live, applied, manager="applier", force=False, subresource="", now=SECOND, version="x/v1"):
    before = copy.deepcopy((live, applied))
    reset = STATUS_OF[subresource]
    found = managed.on_apply(live, applied, manager, force, subresource, version, ROOT, now, kind="Thing", reset=reset)
    assert (live, applied) == before
    return found


def edited(obj, **spec):
    return {**obj, "spec": {**obj["spec"], **spec}}


def owners(obj):
    """{(manager, operation, subresource): (fieldsV1, time)}"""
    entries = obj["metadata"].get("managedFields", [])
    return {
        (one["manager"], one["operation"], one.get("subresource", "")): (one["fieldsV1"], one.get("time"))
        for one in entries
    }


# -------------------------------------------------------------------------------------------------------- updates


def test_who_creates_an_object_owns_what_is_in_it():
    found = update(None, thing({"replicas": 1, "map": {"a": "1"}}, {"phase": "x"}, labels={"l": "1"}, uid="u"))
    spec = {".": {}, "f:map": {".": {}, "f:a": {}}, "f:replicas": {}}
    fields = {"f:metadata": {"f:labels": {".": {}, "f:l": {}}}, "f:spec": spec}
    assert owners(found) == {("editor", "Update", ""): (fields, LATE)}


def test_a_deployment_is_owned_as_kubectl_shows_it():
    schema = builtin().schema(GroupVersionKind("apps", "v1", "Deployment"))
    container = {"name": "nginx", "image": "nginx", "resources": {}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "strategy": {"type": "Recreate"}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    obj["spec"] = {**spec, "template": template}
    found = managed.on_update(None, obj, "kubectl-create", "", "apps/v1", schema, FIRST)
    assert found["metadata"]["managedFields"][0]["fieldsV1"] == {
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:strategy": {"f:type": {}},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:containers": {'k:{"name":"nginx"}': {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}
                },
            },
        }
    }


def test_who_changes_a_field_takes_it_from_others():
    live = update(None, thing({"replicas": 1, "text": "a"}, uid="u"), now=FIRST)
    found = update(live, edited(live, replicas=2), "other")
    assert owners(found) == {
        ("editor", "Update", ""): ({"f:spec": {".": {}, "f:text": {}}}, EARLY),
        ("other", "Update", ""): ({"f:spec": {"f:replicas": {}}}, LATE),
    }


def test_a_field_that_is_removed_belongs_to_nobody():
    live = update(None, thing({"replicas": 1}, uid="u"), now=FIRST)
    found = update(live, thing({"text": "x"}, uid="u"), "other")
    assert owners(found) == {
        ("editor", "Update", ""): ({"f:spec": {}}, EARLY),
        ("other", "Update", ""): ({"f:spec": {"f:text": {}}}, LATE),
    }


def test_without_a_change_nothing_changes():
    live = update(None, thing({"replicas": 1}, uid="u"), now=FIRST)
    assert update(live, copy.deepcopy(live), "other") == live
    assert update(live, thing({"replicas": 1}, uid="u"), "other") == live


def test_the_time_is_that_of_the_last_change():
    live = update(None, thing({"replicas": 1}, uid="u"), now=FIRST)
    ((_, time),) = owners(update(live, edited(live, text="x"))).values()
    assert time == LATE


def test_an_unnamed_manager_is_unknown_and_versions_are_kept_apart():
    live = update(None, thing({"replicas": 1}, uid="u"), "", now=FIRST)
    found = update(live, edited(live, text="x"), "", version="x/v2")
    assert [(one["manager"], one["apiVersion"]) for one in found["metadata"]["managedFields"]] == [
        ("unknown", "x/v1"),
        ("unknown", "x/v2"),
    ]


def test_status_belongs_to_those_who_write_the_subresource():
    live = update(None, thing({"replicas": 1}, {"phase": "a"}, uid="u"), now=FIRST)
    assert "f:status" not in owners(live)["editor", "Update", ""][0]
    found = update(live, {**live, "status": {"phase": "b"}, "spec": {"replicas": 9}}, "kubelet", "status")
    assert owners(found)["kubelet", "Update", "status"] == ({"f:status": {"f:phase": {}}}, LATE)
    assert owners(found)["editor", "Update", ""] == owners(live)["editor", "Update", ""]


def test_server_set_metadata_is_nobodys():
    live = update(None, thing({"replicas": 1}, uid="u", generation=1, resourceVersion="5"), now=FIRST)
    new = thing({"replicas": 1}, uid="u", generation=2, resourceVersion="6", creationTimestamp=EARLY, selfLink="/x")
    assert owners(update(live, new, "other")) == owners(live)


@pytest.mark.parametrize("given", [[], [{}]])
def test_managed_fields_can_be_reset(given):
    live = update(None, thing({"replicas": 1}, uid="u"), now=FIRST)
    found = update(live, thing({"replicas": 2}, uid="u", managedFields=given))
    assert "managedFields" not in found["metadata"]
    assert "managedFields" not in update(found, edited(found, replicas=3))["metadata"]


def test_clients_may_set_managed_fields_but_not_through_a_subresource():
    live = update(None, thing({"replicas": 1}, {"phase": "a"}, uid="u"), now=FIRST)
    mine = copy.deepcopy(live)
    mine["metadata"]["managedFields"][0] |= {"manager": "me", "fieldsV1": {"f:spec": {'k:{"b":1,"a":2}': {}}}}
    assert owners(update(live, mine)) == {("me", "Update", ""): ({"f:spec": {'k:{"a":2,"b":1}': {}}}, EARLY)}
    assert owners(update(live, mine, subresource="status")) == owners(live)


@pytest.mark.parametrize("given", [None, [{"manager": "x"}], [{"operation": "Fly"}], ["x"], "x", {"a": 1}])
def test_managed_fields_that_make_no_sense_are_ignored(given):
    live = update(None, thing({"replicas": 1}, uid="u"), now=FIRST)
    assert owners(update(live, thing({"replicas": 1}, uid="u", managedFields=given))) == owners(live)


def test_an_object_that_cannot_be_compared_keeps_its_owners():
    live = update(None, thing({"list": [{"name": "a"}]}, uid="u"), now=FIRST)
    found = update(live, thing({"list": [{"value": 1}]}, uid="u"))
    assert owners(found) == owners(live) and found["spec"] == {"list": [{"value": 1}]}


def test_more_than_ten_updaters_become_ancient():
    live = update(None, thing({"map": {}}, uid="u"), "m00", now=FIRST)
    for number in range(1, 13):
        new = edited(live, map={**live["spec"]["map"], f"k{number:02}": "x"})
        live = update(live, new, f"m{number:02}", now=SECOND)
    names = [one["manager"] for one in live["metadata"]["managedFields"]]
    assert len(names) == 10 and names.count("ancient-changes") == 1
    kept = {key for fields, _ in owners(live).values() for key in fields.get("f:spec", {}).get("f:map", {})}
    assert kept == {".", *(f"f:k{number:02}" for number in range(1, 13))}


# ---------------------------------------------------------------------------------------------------------- apply


def test_what_is_applied_is_owned_and_merged():
    live = update(None, thing({"replicas": 1, "text": "a"}, uid="u"), now=FIRST)
    found = apply(live, thing({"map": {"a": "1"}, "text": "a"}))
    assert found["spec"] == {"replicas": 1, "text": "a", "map": {"a": "1"}}
    assert owners(found) == {
        ("applier", "Apply", ""): ({"f:spec": {"f:map": {"f:a": {}}, "f:text": {}}}, LATE),
        ("editor", "Update", ""): ({"f:spec": {".": {}, "f:replicas": {}, "f:text": {}}}, EARLY),
    }


def test_a_create_by_apply():
    found = apply(None, thing({"replicas": 1}, {"phase": "a"}))
    assert found["spec"] == {"replicas": 1}
    assert owners(found) == {("applier", "Apply", ""): ({"f:spec": {"f:replicas": {}}}, LATE)}


def test_applying_again_changes_nothing_not_even_the_time():
    applied = thing({"replicas": 1, "list": [{"name": "a"}], "map": {}})
    live = apply(None, applied, now=FIRST)
    assert apply(live, applied, now=SECOND) == live


def test_a_change_to_what_others_own_is_a_conflict():
    live = update(None, thing({"replicas": 1, "text": "a"}, uid="u"), now=FIRST)
    with pytest.raises(StatusError) as caught:
        apply(live, thing({"replicas": 2}))
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "editor" using x/v1: .spec.replicas'
    found = apply(live, thing({"replicas": 2}), force=True)
    assert found["spec"]["replicas"] == 2
    assert owners(found)["editor", "Update", ""][0] == {"f:spec": {".": {}, "f:text": {}}}


def test_equal_values_are_shared():
    live = apply(apply(None, thing({"replicas": 1}), "one", now=FIRST), thing({"replicas": 1}), "two")
    assert {name for name, _, _ in owners(live)} == {"one", "two"}
    with pytest.raises(StatusError, match='conflict with "two"'):
        apply(live, thing({"replicas": 2}), "one")


def test_what_is_no_longer_applied_goes_unless_others_own_it():
    live = apply(None, thing({"replicas": 1, "map": {"a": "1", "b": "2"}, "list": [{"name": "x"}, {"name": "y"}]}))
    live = apply(live, thing({"map": {"b": "2"}}), "other")
    live = update(live, edited(live, list=[{"name": "x", "value": 1}, {"name": "y"}, {"name": "z"}]), "editor")
    found = apply(live, thing())
    assert found["spec"] == {"map": {"b": "2"}, "list": [{"name": "z"}]}  # of item x the editor had but one field
    assert ("applier", "Apply", "") not in owners(found)


def test_an_object_that_nobody_owns_belongs_to_a_manager_of_its_own():
    live = thing({"replicas": 1, "text": "a"}, uid="u")
    with pytest.raises(StatusError, match=r'conflict with "before-first-apply" using x/v1: \.spec\.replicas'):
        apply(live, thing({"replicas": 2}))
    found = apply(live, thing({"text": "a"}))
    assert set(owners(found)) == {("applier", "Apply", ""), ("before-first-apply", "Update", "")}


def test_the_status_subresource_has_appliers_of_its_own():
    live = apply(None, thing({"replicas": 1}), now=FIRST)
    found = apply(live, thing(status={"phase": "a"}, spec={"replicas": 1}), "kubelet", subresource="status")
    assert owners(found)["kubelet", "Apply", "status"][0] == {"f:status": {"f:phase": {}}}
    with pytest.raises(StatusError, match=r'conflict with "kubelet" with subresource "status": \.status\.phase'):
        apply(found, thing(status={"phase": "b"}), "other", subresource="status")


@pytest.mark.parametrize(
    ("applied", "text"),
    [
        ({**thing(), "kind": "Other"}, "invalid object type: x/v1, Kind=Other"),
        ({**thing(), "apiVersion": "v1"}, "invalid object type: /v1, Kind=Thing"),
        ({}, "invalid object type: /, Kind="),
        (thing(managedFields=[]), "metadata.managedFields must be nil"),
        (thing({"nope": 1}, namespace="n"),
         "failed to create typed patch object (n/a; x/v1, Kind=Thing): .spec.nope: field not declared in schema"),
        (thing({"replicas": "x", "text": 1}),
         "failed to create typed patch object (/a; x/v1, Kind=Thing): errors:\n"
         "  .spec.replicas: expected numeric (int or float), got string\n"
         "  .spec.text: expected string, got &value.valueUnstructured{Value:1}"),
        ({**thing(), "metadata": "x"},
         "failed to create typed patch object (/; x/v1, Kind=Thing): .metadata: expected map, got &{x}"),
    ],
)  # fmt: skip
def test_what_cannot_be_applied(applied, text):
    with pytest.raises(StatusError) as caught:
        apply(thing({"replicas": 1}, uid="u"), applied)
    assert (caught.value.code, caught.value.message) == (400, text)


def test_entries_of_versions_that_are_no_longer_served_go():
    live = update(None, thing({"replicas": 1}, uid="u"), "old", now=FIRST, version="x/v0")
    live = update(live, edited(live, text="x"), "new", now=FIRST)
    changed = edited(live, text="y")
    found = managed.on_update(live, changed, "new", "", "x/v1", ROOT, SECOND, views=only(["x/v1", "x/v2"]))
    assert {name for name, _, _ in owners(found)} == {"new"}
    found = managed.on_apply(live, thing({"replicas": 2}), "me", False, "", "x/v1", ROOT, SECOND, views=only(["x/v1"]))
    assert {name for name, _, _ in owners(found)} == {"new", "me"}


def test_metadata_is_a_map_even_without_a_schema():
    with pytest.raises(StatusError) as caught:
        managed.on_apply(None, {**thing(), "metadata": ["x"]}, "me", False, "", "x/v1", None, FIRST)
    assert caught.value.message.endswith(": .metadata: expected map, got &{[x]}")


def test_without_a_schema_lists_are_atomic_and_keys_are_owned():
    reset = reset_fields.NOTHING
    live = managed.on_apply(None, thing({"l": [1], "m": {"a": 1}}), "one", False, "", "x/v1", None, FIRST, reset=reset)
    assert owners(live)["one", "Apply", ""][0] == {"f:spec": {".": {}, "f:l": {}, "f:m": {".": {}, "f:a": {}}}}
    with pytest.raises(StatusError, match=r"\.spec\.l"):
        managed.on_apply(live, thing({"l": [1, 2]}), "two", False, "", "x/v1", None, SECOND)


# ----------------------------------------------------------------------------------------------------------- times


def test_times_alone_are_no_change():
    live = apply(None, thing({"replicas": 1}), now=FIRST)
    later = copy.deepcopy(live)
    later["metadata"]["managedFields"][0]["time"] = LATE
    assert managed.keep_times(live, later) == live
    changed = edited(later, replicas=2)
    assert managed.keep_times(live, changed) is changed
    other = copy.deepcopy(later)
    other["metadata"]["managedFields"][0]["manager"] = "x"
    assert managed.keep_times(live, other) is other
    assert managed.keep_times(thing(), live) is live


def test_admission_may_not_break_managed_fields():
    live = apply(None, thing({"replicas": 1}))
    assert managed.after_admission(live, live) == (live, "")
    assert managed.after_admission(live, thing()) == (thing(), "")
    broken = thing(managedFields=[{"operation": "Fly"}])
    assert managed.after_admission(broken, broken) == (broken, "")
    kept, warning = managed.after_admission(live, broken)
    assert kept["metadata"] == {**broken["metadata"], "managedFields": live["metadata"]["managedFields"]}
    assert warning.endswith("fix your requests: operation must be `Apply` or `Update`")
    assert managed.after_admission(thing(), broken)[0] == thing()


def deep(levels):
    found = 1
    for _ in range(levels):
        found = {"a": found}
    return found


def test_what_is_nested_too_deep_is_refused_or_left_to_nobody():
    with pytest.raises(StatusError) as caught:
        managed.on_apply(None, thing({"any": deep(5000)}), "me", False, "", "x/v1", ROOT, FIRST)
    assert (caught.value.code, caught.value.message) == (400, "json: exceeded max depth")
    live = update(None, thing({"replicas": 1}, uid="u"), now=FIRST)
    new = thing({"replicas": 2, "any": deep(5000)}, uid="u")
    found = managed.on_update(live, new, "editor", "", "x/v1", ROOT, SECOND)
    assert owners(found) == owners(live) and found["spec"] is new["spec"]

"""Patches of four kinds, through the server: what they change, refuse, and leave of each other's fields."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.support.kubernetes import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Namespace

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap"}


def apply(ns: Namespace, name: str, data: dict[str, str], manager: str, query: str = "") -> Any:
    body = {**CONFIG, "metadata": {"name": name}, "data": data}
    path = f"{ns.path('configmaps', name)}?fieldManager={manager}{query}"
    return ns.admin.patch(path, body, APPLY_PATCH)


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        (MERGE_PATCH, {"data": {"a": None, "b": "2"}}),
        (STRATEGIC_PATCH, {"data": {"a": None, "b": "2"}}),
        (JSON_PATCH, [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}]),
    ],
)
def test_three_ways_to_say_the_same(ns: Namespace, media: str, patch: Any) -> None:
    ns.config("c", {"a": "1"})
    answer = ns.admin.patch(ns.path("configmaps", "c"), patch, media)
    assert (answer.status, answer.json["data"]) == (200, {"b": "2"})
    assert ns.admin.get(ns.path("configmaps", "c")) == answer.json


def test_strategic_merge_knows_the_keys_of_lists(ns: Namespace) -> None:
    ns.deployment("web")
    path = ns.path("deployments", "web", group="apps/v1")
    sidecar = {"name": "side", "image": "busybox"}
    patch = {"spec": {"template": {"spec": {"containers": [sidecar]}}}}
    found = ns.admin.patch(path, patch, STRATEGIC_PATCH).json
    assert sorted(one["name"] for one in found["spec"]["template"]["spec"]["containers"]) == ["main", "side"]
    found = ns.admin.patch(path, patch, MERGE_PATCH).json
    assert [one["name"] for one in found["spec"]["template"]["spec"]["containers"]] == ["side"]


def test_what_no_patch_is(ns: Namespace) -> None:
    ns.config("c")
    path = ns.path("configmaps", "c")
    code, reason, message = ns.admin.patch(path, {}, "application/json").told
    assert (code, reason) == (415, "UnsupportedMediaType") and STRATEGIC_PATCH in message
    assert ns.admin.patch(path, b"{", MERGE_PATCH).told[0] == 400
    assert ns.admin.patch(path, [{"op": "frob", "path": "/a"}], JSON_PATCH).told[0] in (400, 422)
    assert ns.admin.patch(path, {"kind": "Secret"}, MERGE_PATCH).told[0] == 400
    assert ns.admin.patch(ns.path("configmaps", "none"), {}, MERGE_PATCH).told == (
        404,
        "NotFound",
        'configmaps "none" not found',
    )


_NO_TEXT = "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"


@pytest.mark.parametrize(
    ("media", "patch", "cause"),
    [
        (MERGE_PATCH, {"data": {"k": 1}}, _NO_TEXT),
        (STRATEGIC_PATCH, {"data": {"k": 1}}, "cannot convert int64 to string"),
        (STRATEGIC_PATCH, {"data": "x"}, "cannot restore map from string"),
        (STRATEGIC_PATCH, {"immutable": "yes"}, "unrecognized type: bool"),
        (STRATEGIC_PATCH, {"x": 1}, 'strict decoding error: unknown field "x"'),
        (MERGE_PATCH, b'{"data": {"k": "1", "k": "2"}}', 'strict decoding error: duplicate field "data.k"'),
        (
            JSON_PATCH,
            [{"op": "test", "path": "/kind", "value": "ConfigMap", "val": ""}],
            'strict decoding error: json patch unknown field "[0].val"',
        ),
    ],
)
def test_patches_that_leave_no_object_of_the_kind(ns: Namespace, media: str, patch: Any, cause: str) -> None:
    """A 422 that shows what was made of the patch, in the words of what it was made by."""
    ns.config("c")
    answer = ns.admin.patch(f"{ns.path('configmaps', 'c')}?fieldValidation=Strict", patch, media)
    code, reason, message = answer.told
    assert (code, reason) == (422, "Invalid") and message.startswith(' "" is invalid: patch: Invalid value: "')
    (told,) = answer.json["details"]["causes"]
    assert told["field"] == "patch" and told["message"].endswith(f'": {cause}'), told
    shown = "map[" if media == STRATEGIC_PATCH else '{\\"apiVersion\\":\\"v1\\",'
    assert told["message"].startswith(f'Invalid value: "{shown}'), told


def test_a_patch_that_names_an_old_version(ns: Namespace) -> None:
    made = ns.config("c")
    path = ns.path("configmaps", "c")
    ns.admin.patch(path, {"data": {"k": "v"}})
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"k": "w"}}
    assert ns.admin.patch(path, stale).told[:2] == (409, "Conflict")


def test_patches_that_come_together_all_count(ns: Namespace) -> None:
    ns.config("c")
    path = ns.path("configmaps", "c")

    def patch(number: int) -> None:
        client = ns.admin.acting()
        for step in range(5):
            assert client.patch(path, {"data": {f"{number}-{step}": "x"}}).status == 200
        client.close()

    threads = [threading.Thread(target=patch, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ns.admin.get(path)["data"]) == 20


# Server-side apply


def test_apply_makes_and_changes(ns: Namespace) -> None:
    made = apply(ns, "c", {"a": "1"}, "one")
    assert made.status == 201 and made.json["data"] == {"a": "1"}
    entry = made.json["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["fieldsV1"]) == ("one", "Apply", {"f:data": {"f:a": {}}})
    again = apply(ns, "c", {"a": "1"}, "one")
    assert (again.status, again.json) == (200, made.json)
    changed = apply(ns, "c", {"b": "2"}, "one")
    assert changed.json["data"] == {"b": "2"}


def test_apply_against_another_manager(ns: Namespace) -> None:
    apply(ns, "c", {"a": "1"}, "one")
    answer = apply(ns, "c", {"a": "2"}, "two")
    code, reason, message = answer.told
    assert (code, reason) == (409, "Conflict")
    assert message == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    cause = answer.json["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.a")
    assert apply(ns, "c", {"a": "2"}, "two", "&force=true").json["data"] == {"a": "2"}


def test_apply_needs_a_manager_and_a_kind(ns: Namespace) -> None:
    path = ns.path("configmaps", "c")
    body = {**CONFIG, "metadata": {"name": "c"}}
    code, _, message = ns.admin.patch(path, body, APPLY_PATCH).told
    assert code == 422 and "fieldManager: Required value: is required for apply patch" in message
    assert ns.admin.patch(f"{path}?fieldManager=m", {"metadata": {}}, APPLY_PATCH).told[0] == 400
    other = {**CONFIG, "metadata": {"name": "other"}}
    code, _, message = ns.admin.patch(f"{path}?fieldManager=m", other, APPLY_PATCH).told
    assert code == 400 and "does not match the name on the URL (c)" in message
    code, _, message = ns.admin.ask("PATCH", f"{path}?force=true", {}, {"Content-Type": MERGE_PATCH}).told
    assert code == 422 and "may not be specified for non-apply patch" in message


def test_apply_takes_yaml(ns: Namespace) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: 'yes'\n"
    answer = ns.admin.patch(f"{ns.path('configmaps', 'c')}?fieldManager=m", body, APPLY_PATCH)
    assert answer.json["data"] == {"a": "yes"}
    body += b"dta: {}\n"
    answer = ns.admin.patch(f"{ns.path('configmaps', 'c')}?fieldManager=m&fieldValidation=Strict", body, APPLY_PATCH)
    assert answer.told[0] == 400 and answer.told[2].endswith(".dta: field not declared in schema")


def test_writes_are_noted_by_who_made_them(ns: Namespace) -> None:
    ns.config("c", {"a": "1"})
    ns.admin.ask("PATCH", ns.path("configmaps", "c"), {"data": {"b": "2"}}, {
        "Content-Type": MERGE_PATCH, "User-Agent": "kubectl/v1.37.1 (linux/amd64)",
    })  # fmt: skip
    ns.admin.patch(ns.path("configmaps", "c") + "?fieldManager=named", {"data": {"c": "3"}})
    fields = ns.admin.get(ns.path("configmaps", "c"))["metadata"]["managedFields"]
    assert {one["manager"]: sorted(one["fieldsV1"]["f:data"]) for one in fields} == {
        "test": [".", "f:a"],
        "kubectl": ["f:b"],
        "named": ["f:c"],
    }


def test_who_may_only_patch_makes_nothing_by_it(ns: Namespace) -> None:
    group = "rbac.authorization.k8s.io"
    rules = [{"verbs": ["patch", "update"], "apiGroups": [""], "resources": ["configmaps"]}]
    ns.create("roles", {"metadata": {"name": "r"}, "rules": rules}, f"{group}/v1")
    subjects = [{"apiGroup": group, "kind": "User", "name": "jane"}]
    role = {"apiGroup": group, "kind": "Role", "name": "r"}
    ns.create("rolebindings", {"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects}, f"{group}/v1")
    jane = ns.admin.acting(impersonate_user="jane")
    path = f"{ns.path('configmaps', 'c')}?fieldManager=m"
    body = {**CONFIG, "metadata": {"name": "c"}}
    code, _, message = jane.patch(path, body, APPLY_PATCH).told
    assert code == 403 and 'User "jane" cannot create resource "configmaps"' in message
    ns.config("c")
    assert jane.patch(path, body, APPLY_PATCH).status == 200
    jane.close()

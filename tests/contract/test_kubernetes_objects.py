"""Objects of the Kubernetes API: made, changed, deleted, in the ways that clients rely on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.kubernetes import APPLY_PATCH, Namespace


def without_fields(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


# Creating


def test_a_new_object_is_filled_in(ns: Namespace) -> None:
    made = ns.config("a", {"k": "v"}, uid="mine", creationTimestamp="2001-01-01T00:00:00Z")
    metadata = made["metadata"]
    assert (made["kind"], made["apiVersion"], made["data"]) == ("ConfigMap", "v1", {"k": "v"})
    assert metadata["namespace"] == ns.name and int(metadata["resourceVersion"]) > 0
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert not metadata["creationTimestamp"].startswith("2001")
    assert metadata["managedFields"][0]["manager"] == "test"
    assert ns.admin.get(ns.path("configmaps", "a")) == made


def test_the_second_of_a_name_is_refused(ns: Namespace) -> None:
    ns.config("a")
    answer = ns.admin.ask("POST", ns.path("configmaps"), {"metadata": {"name": "a"}})
    assert answer.told == (409, "AlreadyExists", 'configmaps "a" already exists')
    assert answer.json["details"] == {"name": "a", "kind": "configmaps"}


def test_a_generated_name(ns: Namespace) -> None:
    made = [ns.create("configmaps", {"metadata": {"generateName": "job-"}}) for _ in range(3)]
    names = {one["metadata"]["name"] for one in made}
    assert len(names) == 3 and all(re.fullmatch("job-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


def test_of_what_is_new_a_version_is_no_matter_but_zero(ns: Namespace) -> None:
    told = ns.admin.ask("POST", ns.path("configmaps"), {"metadata": {"name": "a", "resourceVersion": "1"}}).told
    assert told == (400, "BadRequest", "resourceVersion should not be set on objects to be created")
    assert ns.config("a", resourceVersion="0")["metadata"]["resourceVersion"] != "0"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'),
        ({"name": "A"}, 'ConfigMap "A" is invalid: metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain'),
        ({"name": "a", "labels": {"x": "a b"}}, 'ConfigMap "a" is invalid: metadata.labels: Invalid value: "a b"'),
        ({"name": "a", "annotations": {"a b": ""}}, 'metadata.annotations: Invalid value: "a b"'),
        ({"name": "a", "finalizers": ["a b"]}, 'metadata.finalizers: Invalid value: "a b"'),
    ],
)
def test_metadata_that_cannot_be(ns: Namespace, metadata: dict[str, Any], message: str) -> None:
    answer = ns.admin.ask("POST", ns.path("configmaps"), {"metadata": metadata})
    code, reason, told = answer.told
    assert (code, reason) == (422, "Invalid") and message in told
    assert answer.json["details"]["causes"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "the object provided is unrecognized"),
        (b"", 400, "the object provided is unrecognized"),
        (b"[]", 400, "the object provided is unrecognized"),
        (b'{"kind":"Secret","apiVersion":"v1"}', 400, 'Secret in version "v1" cannot be handled as a ConfigMap'),
        (b'{"kind":"ConfigMap","apiVersion":"v2"}', 400, "does not match the expected API version (v1)"),
        (
            b'{"metadata":{"name":1}}',
            400,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name",
        ),
        (b'{"metadata":{"name":"a","resourceVersion":"7"}}', 400, "resourceVersion should not be set on objects to be"),
        (b'{"metadata":{"name":"a","namespace":"other"}}', 400, "the namespace of the provided object does not match"),
    ],
)
def test_bodies_that_make_no_object(ns: Namespace, body: bytes, status: int, message: str) -> None:
    code, _, told = ns.admin.ask("POST", ns.path("configmaps"), body).told
    assert code == status and message in told


def test_nothing_is_made_where_there_is_no_namespace(ns: Namespace) -> None:
    answer = ns.admin.ask("POST", "/api/v1/namespaces/nowhere/configmaps", {"metadata": {"name": "a"}})
    assert answer.told == (404, "NotFound", 'namespaces "nowhere" not found')


# Field validation


def test_unknown_fields_are_warned_of(ns: Namespace) -> None:
    body = {"metadata": {"name": "a"}, "dta": {"k": "v"}}
    answer = ns.admin.ask("POST", ns.path("configmaps"), body)
    assert answer.status == 201 and "dta" not in answer.json
    assert answer.headers["warning"] == '299 - "unknown field \\"dta\\""'


def test_unknown_fields_are_refused_when_asked_to(ns: Namespace) -> None:
    body = b'{"metadata":{"name":"a"},"dta":{},"data":{"a":"1","a":"2"}}'
    answer = ns.admin.ask("POST", ns.path("configmaps") + "?fieldValidation=Strict", body)
    start = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
    assert answer.told == (400, "BadRequest", f'{start}duplicate field "data.a", unknown field "dta"')


def test_unknown_fields_may_be_ignored(ns: Namespace) -> None:
    answer = ns.admin.ask(
        "POST", ns.path("configmaps") + "?fieldValidation=Ignore", {"metadata": {"name": "a"}, "x": 1}
    )
    assert answer.status == 201 and "warning" not in answer.headers


def test_a_validation_that_is_none(ns: Namespace) -> None:
    answer = ns.admin.ask("POST", ns.path("configmaps") + "?fieldValidation=Perhaps", {"metadata": {"name": "a"}})
    assert answer.told[0] == 422 and "fieldValidation: Unsupported value" in answer.told[2]


# Updating


def test_an_update_with_an_old_version_is_a_conflict(ns: Namespace) -> None:
    first = ns.config("a")
    second = ns.admin.ok("PUT", ns.path("configmaps", "a"), {**first, "data": {"k": "1"}})
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    answer = ns.admin.ask("PUT", ns.path("configmaps", "a"), {**first, "data": {"k": "2"}})
    assert answer.told == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )


def test_an_update_that_changes_nothing_writes_nothing(ns: Namespace) -> None:
    made = ns.config("a", {"k": "v"})
    assert ns.admin.ok("PUT", ns.path("configmaps", "a"), made) == made
    assert ns.admin.ok("PUT", ns.path("configmaps", "a"), {"metadata": {"name": "a"}, "data": {"k": "v"}}) == made


def test_an_update_keeps_what_only_the_server_sets(ns: Namespace) -> None:
    made = ns.config("a")
    body = {"metadata": {"name": "a", "creationTimestamp": "2001-01-01T00:00:00Z"}, "data": {"k": "v"}}
    found = ns.admin.ok("PUT", ns.path("configmaps", "a"), body)
    for key in ("uid", "creationTimestamp"):
        assert found["metadata"][key] == made["metadata"][key]


def test_an_update_of_another_object_is_refused(ns: Namespace) -> None:
    made = ns.config("a")
    text = "the name of the object (a) does not match the name on the URL (b)"
    for _ in range(2):  # whether there is a b or not
        assert ns.admin.ask("PUT", ns.path("configmaps", "b"), made).told == (400, "BadRequest", text)
        ns.admin.ask("POST", ns.path("configmaps"), {"metadata": {"name": "b"}})
    absent = {"metadata": {"name": "c"}}
    assert ns.admin.ask("PUT", ns.path("configmaps", "c"), absent).told[:2] == (404, "NotFound")
    other = {**made, "metadata": {**made["metadata"], "uid": "other", "resourceVersion": ""}}
    code, reason, message = ns.admin.ask("PUT", ns.path("configmaps", "a"), other).told
    assert (code, reason) == (409, "Conflict") and "Precondition failed: UID in precondition: other" in message


@pytest.mark.parametrize("metadata", [{}, {"name": ""}, {"name": None}])
def test_an_update_names_its_object(ns: Namespace, metadata: dict[str, Any]) -> None:
    ns.config("a")
    named = "the name of the object (a based on URL) was undeterminable: name must be provided"
    assert ns.admin.ask("PUT", ns.path("configmaps", "a"), {"metadata": metadata}).told == (400, "BadRequest", named)
    unnamed = ns.admin.patch(ns.path("configmaps", "a"), {"metadata": {"name": None}})
    assert unnamed.told == (400, "BadRequest", named)
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    assert ns.admin.patch(f"{ns.path('configmaps', 'a')}?fieldManager=m", applied, APPLY_PATCH).status == 200
    made = ns.admin.patch(f"{ns.path('configmaps', 'b')}?fieldManager=m", applied, APPLY_PATCH)
    assert made.told == (400, "BadRequest", named.replace("(a", "(b"))


def test_what_is_made_by_an_update(ns: Namespace) -> None:
    """It may have had a version when it was there before; an object that was another is not made."""
    leases = ns.path("leases", group="coordination.k8s.io/v1")
    path = f"{leases}/a"
    gone = ns.admin.ask("PUT", path, {"metadata": {"name": "a", "uid": "u"}})
    cause = "Precondition failed: UID in precondition: u, UID in object meta: "
    assert gone.told == (409, "Conflict", f'Operation cannot be fulfilled on leases.coordination.k8s.io "a": {cause}')
    assert ns.admin.ok("PUT", path, {"metadata": {"name": "a", "resourceVersion": "7"}})["metadata"]["uid"]
    applied = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "b", "uid": "u"}}
    told = ns.admin.patch(f"{leases}/b?fieldManager=m", applied, APPLY_PATCH).told
    cause = "uid mismatch: the provided object specified uid u, and no existing object was found"
    assert told == (409, "Conflict", f'Operation cannot be fulfilled on leases.coordination.k8s.io "b": {cause}')


def test_the_newer_group_asks_more_of_events(ns: Namespace) -> None:
    about = {"kind": "Namespace", "name": ns.name, "namespace": ns.name}
    event = {"metadata": {"name": "e"}, "reason": "R", "type": "Odd"}
    newer = f"/apis/events.k8s.io/v1/namespaces/{ns.name}/events"
    answer = ns.admin.ask("POST", newer, {**event, "regarding": about})
    told = [(one["field"], one["message"]) for one in answer.json["details"]["causes"]]
    assert answer.status == 422
    assert told == [("eventTime", "Required value"), ("type", 'Invalid value: "": has invalid value: Odd')]
    made = ns.create("events", {**event, "involvedObject": about})
    assert made["type"] == "Odd"
    answer = ns.admin.patch(f"{newer}/e", {"reason": "Other"})
    assert answer.status == 422 and 'reason: Invalid value: "Other": field is immutable' in answer.told[2]
    assert ns.admin.patch(ns.path("events", "e"), {"reason": "Other"}).status == 200


def test_the_generation_counts_changes_of_the_spec(ns: Namespace) -> None:
    made = ns.deployment("web")
    path = ns.path("deployments", "web", group="apps/v1")
    assert made["metadata"]["generation"] == 1
    assert ns.admin.patch(path, {"spec": {"replicas": 3}}).json["metadata"]["generation"] == 2
    assert ns.admin.patch(path, {"metadata": {"labels": {"a": "b"}}}).json["metadata"]["generation"] == 2
    status = ns.admin.patch(f"{path}/status", {"status": {"replicas": 3}}).json
    assert (status["metadata"]["generation"], status["status"]["replicas"]) == (2, 3)
    assert ns.admin.patch(path, {"status": {"replicas": 9}}).json["status"]["replicas"] == 3
    assert ns.admin.patch(f"{path}/status", {"spec": {"replicas": 9}}).json["spec"]["replicas"] == 3


# Dry run


def test_a_dry_run_shows_and_keeps_nothing(ns: Namespace) -> None:
    path = ns.path("configmaps")
    shown = ns.admin.ok("POST", f"{path}?dryRun=All", {"metadata": {"name": "a"}})
    assert shown["metadata"]["uid"] and "resourceVersion" not in shown["metadata"]
    assert ns.admin.ask("GET", f"{path}/a").status == 404
    made = ns.config("a")
    shown = ns.admin.ok("PUT", f"{path}/a?dryRun=All", {**made, "data": {"k": "v"}})
    assert shown["data"] == {"k": "v"}
    assert ns.admin.ask("DELETE", f"{path}/a?dryRun=All").json["status"] == "Success"
    assert ns.admin.get(f"{path}/a") == made
    answer = ns.admin.ask("POST", f"{path}?dryRun=Maybe", {"metadata": {"name": "b"}})
    assert answer.told[0] == 422 and 'dryRun: Unsupported value: ["Maybe"]' in answer.told[2]
    assert ns.admin.ask("POST", f"{path}?dryRun=All", {"metadata": {"name": "a"}}).told[1] == "AlreadyExists"


# Deleting


def test_a_deletion_answers_with_a_status(ns: Namespace) -> None:
    made = ns.config("a")
    answer = ns.admin.ok("DELETE", ns.path("configmaps", "a"))
    uid = made["metadata"]["uid"]
    assert answer["status"] == "Success" and answer["details"] == {"name": "a", "kind": "configmaps", "uid": uid}
    assert ns.admin.ask("DELETE", ns.path("configmaps", "a")).told == (404, "NotFound", 'configmaps "a" not found')


@pytest.mark.parametrize(("precondition", "word"), [("uid", "UID"), ("resourceVersion", "ResourceVersion")])
def test_a_deletion_of_another_object_than_was_meant(ns: Namespace, precondition: str, word: str) -> None:
    made = ns.config("a")
    body = {"preconditions": {precondition: "999999"}}
    code, reason, message = ns.admin.ask("DELETE", ns.path("configmaps", "a"), body).told
    assert (code, reason) == (409, "Conflict") and f"the {word} in the precondition (999999) does not match" in message
    body = {"preconditions": {precondition: made["metadata"][precondition]}}
    assert ns.admin.ask("DELETE", ns.path("configmaps", "a"), body).status == 200


def test_finalizers_keep_an_object_until_they_are_gone(ns: Namespace) -> None:
    ns.config("a", finalizers=["example.com/x"])
    path = ns.path("configmaps", "a")
    waiting = ns.admin.ok("DELETE", path)
    assert waiting["metadata"]["deletionTimestamp"] and waiting["metadata"]["deletionGracePeriodSeconds"] == 0
    assert ns.admin.ok("DELETE", path)["metadata"]["resourceVersion"] == waiting["metadata"]["resourceVersion"]
    code, _, message = ns.admin.patch(path, {"metadata": {"finalizers": ["example.com/x", "example.com/y"]}}).told
    assert code == 422 and "no new finalizers can be added if the object is being deleted" in message
    assert ns.admin.ask("POST", ns.path("configmaps"), {"metadata": {"name": "a"}}).told[2] == (
        'object is being deleted: configmaps "a" already exists'
    )
    gone = ns.admin.patch(path, {"metadata": {"finalizers": None}})
    assert gone.status == 200 and "finalizers" not in gone.json["metadata"]
    assert ns.admin.ask("GET", path).status == 404


@pytest.mark.parametrize(
    ("asked", "finalizers"),
    [
        ({"propagationPolicy": "Orphan"}, ["orphan"]),
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
        ({"orphanDependents": True}, ["orphan"]),
        ({"propagationPolicy": "Background"}, None),
        ({}, None),
    ],
)
def test_the_ways_of_deletion(ns: Namespace, asked: dict[str, Any], finalizers: list[str] | None) -> None:
    ns.deployment("web")
    path = ns.path("deployments", "web", group="apps/v1")
    answer = ns.admin.ok("DELETE", path, asked)
    if finalizers is None:
        assert answer["status"] == "Success" and ns.admin.ask("GET", path).status == 404
    else:
        assert ns.admin.get(path)["metadata"]["finalizers"] == finalizers
        assert ns.admin.get(path)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"propagationPolicy": "Maybe"}, "propagationPolicy: Unsupported value"),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, "cannot be both set"),
        ({"gracePeriodSeconds": "soon"}, "gracePeriodSeconds"),
    ],
)
def test_ways_of_deletion_that_there_are_not(ns: Namespace, asked: dict[str, Any], message: str) -> None:
    ns.config("a")
    code, _, told = ns.admin.ask("DELETE", ns.path("configmaps", "a"), asked).told
    assert code in (400, 422) and message in told


def test_a_pod_on_a_node_gets_its_grace(ns: Namespace) -> None:
    ns.pod("web")
    path = ns.path("pods", "web")
    ns.admin.ok("POST", f"{path}/binding", {"target": {"kind": "Node", "name": "n1"}})
    waiting = ns.admin.ok("DELETE", path)["metadata"]
    assert waiting["deletionGracePeriodSeconds"] == 30 and waiting["deletionTimestamp"]
    assert ns.admin.ok("DELETE", path, {"gracePeriodSeconds": 60})["metadata"]["deletionGracePeriodSeconds"] == 30
    shorter = ns.admin.ok("DELETE", path, {"gracePeriodSeconds": 5})["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert shorter["deletionTimestamp"] < waiting["deletionTimestamp"]
    assert ns.admin.ok("DELETE", path + "?gracePeriodSeconds=0")["metadata"]["name"] == "web"
    assert ns.admin.ask("GET", path).status == 404


def test_a_pod_without_a_node_goes_at_once(ns: Namespace) -> None:
    ns.pod("web")
    assert ns.admin.ok("DELETE", ns.path("pods", "web"))["kind"] == "Pod"
    assert ns.admin.ask("GET", ns.path("pods", "web")).status == 404


def test_many_are_deleted_by_a_selector(ns: Namespace) -> None:
    for name in ("a", "b", "c"):
        ns.config(name, labels={"of": "b" if name == "b" else "x"})
    gone = ns.admin.ok("DELETE", ns.path("configmaps") + "?labelSelector=of%3Dx")
    assert [one["metadata"]["name"] for one in gone["items"]] == ["a", "c"]
    assert [one["metadata"]["name"] for one in ns.admin.get(ns.path("configmaps"))["items"]] == ["b"]


# Namespaces


def test_a_namespace_goes_in_two_steps(ns: Namespace) -> None:
    path = f"/api/v1/namespaces/{ns.name}"
    found = ns.admin.get(path)
    assert (found["status"], found["spec"]) == ({"phase": "Active"}, {"finalizers": ["kubernetes"]})
    assert found["metadata"]["labels"]["kubernetes.io/metadata.name"] == ns.name
    going = ns.admin.ok("DELETE", path)
    assert going["status"]["phase"] == "Terminating" and going["metadata"]["deletionTimestamp"]
    answer = ns.admin.ask("POST", ns.path("configmaps"), {"metadata": {"name": "a"}})
    text = f'configmaps "a" is forbidden: unable to create new content in namespace {ns.name} because it is being '
    assert answer.told == (403, "Forbidden", f"{text}terminated")
    assert answer.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert ns.admin.patch(path, {"spec": {"finalizers": None}}).json["spec"]["finalizers"] == ["kubernetes"]
    done = ns.admin.ok("PUT", f"{path}/finalize", {**going, "spec": {}})
    assert done["metadata"]["name"] == ns.name
    assert ns.admin.ask("GET", path).status == 404


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_namespaces_that_never_go(ns: Namespace, name: str) -> None:
    answer = ns.admin.ask("DELETE", f"/api/v1/namespaces/{name}")
    assert answer.told == (403, "Forbidden", f'namespaces "{name}" is forbidden: this namespace may not be deleted')


def test_who_reads_what_is_deprecated_is_warned(ns: Namespace) -> None:
    answer = ns.admin.ask("GET", ns.path("endpoints"))
    says = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    assert answer.status == 200 and answer.headers["warning"] == f'299 - "{says}"'
    answer = ns.admin.ask("POST", ns.path("endpoints"), {"metadata": {"name": "a"}})
    assert answer.status == 201 and answer.headers["warning"] == f'299 - "{says}"'
    assert "warning" not in ns.admin.ask("GET", ns.path("endpointslices", group="discovery.k8s.io/v1")).headers

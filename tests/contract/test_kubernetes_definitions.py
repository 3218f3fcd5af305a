"""CustomResourceDefinitions over HTTPS: served at once, checked, shown in tables, and gone with their objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kubernetes import APPLY_PATCH, JSON_PATCH, PARTIAL, PARTIAL_LIST, TABLE, LiveKubernetes, Namespace
from tests.support.wait import eventually
from tests.support.webhooks import LiveWebhook

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_groups = (f"g{number}.example.com" for number in range(10**6))


def definition(group: str, **spec: Any) -> dict[str, Any]:
    size = {"type": "integer", "default": 3, "maximum": 9}
    rules = [{"rule": "self.size <= 8", "message": "too large a herd"}, {"rule": "self.size >= oldSelf.size"}]
    color = {"type": "string", "enum": ["red", "blue"]}
    inner = {"type": "object", "properties": {"size": size, "color": color, "tags": {"type": "object", "additionalProperties": {"type": "string"}}}, "x-kubernetes-validations": rules}  # fmt: skip  # noqa: E501
    status = {"type": "object", "properties": {"replicas": {"type": "integer"}, "conditions": {"type": "array", "items": {  # noqa: E501
        "type": "object", "properties": {"type": {"type": "string"}, "status": {"type": "string"}}}}}}  # fmt: skip
    schema = {"type": "object", "properties": {"spec": inner, "status": status}}
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status', "priority": 1},
    ]
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {
        "status": {}, "scale": scale}, "additionalPrinterColumns": columns,
        "selectableFields": [{"jsonPath": ".spec.color"}]}  # fmt: skip
    names = {"plural": "cows", "kind": "Cow", "shortNames": ["moo"], "categories": ["all"]}
    found = {"group": group, "scope": "Namespaced", "names": names, "versions": [version], **spec}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {
        "name": f"{found['names']['plural']}.{group}"}, "spec": found}  # fmt: skip


@pytest.fixture
def group(cluster: LiveKubernetes) -> Iterator[str]:
    group = next(_groups)
    cluster.admin.ok("POST", CRDS, definition(group))
    yield group
    cluster.admin.ask("DELETE", f"{CRDS}/cows.{group}")


def test_it_is_established_with_the_answer(cluster: LiveKubernetes, group: str) -> None:
    found = cluster.admin.get(f"{CRDS}/cows.{group}")
    conditions = {one["type"]: one["status"] for one in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert found["status"]["storedVersions"] == ["v1"] and found["status"]["acceptedNames"]["singular"] == "cow"
    assert found["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    listed = cluster.admin.get(f"/apis/{group}/v1")["resources"]
    assert [one["name"] for one in listed] == ["cows", "cows/status", "cows/scale"]
    assert listed[0]["shortNames"] == ["moo"] and listed[0]["categories"] == ["all"]


def test_conditions_of_a_definition_are_anybodys(cluster: LiveKubernetes, group: str) -> None:
    """Nothing is asked of them: other controllers write theirs, complete or not."""
    path = f"{CRDS}/cows.{group}"
    found = cluster.admin.get(f"{path}/status")
    told = {"type": "", "status": "", "lastTransitionTime": None, "message": "updated"}
    found["status"]["conditions"].append(told)
    updated = cluster.admin.ok("PUT", f"{path}/status", found)
    assert updated["status"]["conditions"][-1]["message"] == "updated"
    patch = [{"op": "add", "path": "/status/conditions", "value": [{"message": "patched"}]}]
    answer = cluster.admin.ask("PATCH", f"{path}/status", patch, {"Content-Type": "application/json-patch+json"})
    assert answer.status == 200 and "patched" in [one.get("message") for one in answer.json["status"]["conditions"]]


def test_strict_bodies_of_custom_kinds(ns: Namespace) -> None:
    """Field validation: metadata is known at the root and in embedded objects; nothing may be said twice."""
    group = next(_groups)
    inner = {"metadata": {"type": "object", "properties": {"name": {"type": "string"}}}, "spec": {"type": "object"}}
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": inner}
    spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"inner": embedded}}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    ns.admin.ok("POST", CRDS, definition(group, versions=[version]))
    try:
        path = f"{ns.path('cows', group=f'{group}/v1')}?fieldValidation=Strict"
        sub = {"apiVersion": "x/v1", "kind": "Sub", "metadata": {"name": "s", "odd": 1}}
        answer = ns.admin.ask("POST", path, {"metadata": {"name": "a", "odd": 1}, "spec": {"any": 1, "inner": sub}})
        assert answer.told[0] == 400
        assert all(f'unknown field "{at}.odd"' in answer.told[2] for at in ("metadata", "spec.inner.metadata"))
        answer = ns.admin.ask("POST", path, b'{"metadata":{"name":"b"},"spec":{"any":1,"any":2}}')
        assert answer.told[0] == 400 and 'duplicate field "spec.any"' in answer.told[2]
        ns.admin.ok("POST", path, {"metadata": {"name": "c"}, "spec": {"any": {"thing": 1}}})
    finally:
        ns.admin.ask("DELETE", f"{CRDS}/cows.{group}")


def test_objects_are_defaulted_pruned_and_checked(ns: Namespace, group: str) -> None:
    path = ns.path("cows", group=f"{group}/v1")
    made = ns.admin.ok("POST", path, {"metadata": {"name": "a"}, "spec": {"color": "red", "odd": 1}})
    assert made["spec"] == {"size": 3, "color": "red"}
    bad = ns.admin.ask("POST", path, {"metadata": {"name": "b"}, "spec": {"size": "x", "color": "pink"}})
    fields = {one["field"] for one in bad.json["details"]["causes"]}
    assert bad.status == 422 and fields == {"spec.size", "spec.color", "<nil>"}
    code, reason, message = ns.admin.ask("POST", path, {"metadata": {"name": "b"}, "spec": {"size": 9}}).told
    assert (code, reason) == (422, "Invalid")
    assert message == f'Cow.{group} "b" is invalid: spec: Invalid value: "object": too large a herd'
    message = ns.admin.patch(f"{path}/a", {"spec": {"size": 2}}).told[2]
    assert message.endswith('spec: Invalid value: "object": failed rule: self.size >= oldSelf.size')
    assert ns.admin.patch(f"{path}/a", {"spec": {"size": 4}}).json["metadata"]["generation"] == 2
    assert [one["metadata"]["name"] for one in ns.admin.get(f"{path}?fieldSelector=spec.color=red")["items"]] == ["a"]
    assert ns.admin.get(f"{path}?fieldSelector=spec.color=blue")["items"] == []


def test_tables_status_and_scale(ns: Namespace, group: str) -> None:
    path = ns.path("cows", group=f"{group}/v1")
    ns.admin.ok("POST", path, {"metadata": {"name": "a"}, "spec": {"size": 4}, "status": {"replicas": 7}})
    status = {"replicas": 1, "conditions": [{"type": "Old", "status": "x"}, {"type": "Ready", "status": "True"}]}
    found = ns.admin.patch(f"{path}/a/status", {"status": status, "spec": {"size": 8}}).json
    assert found["spec"] == {"size": 4} and found["status"] == status
    table = ns.admin.get(path, accept=TABLE)
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Size", "Ready"]
    assert table["rows"][0]["cells"] == ["a", 4, "True"]
    assert ns.admin.get(f"{path}/a/scale")["spec"] == {"replicas": 4}
    assert ns.admin.patch(f"{path}/a/scale", {"spec": {"replicas": 6}}).json["spec"] == {"replicas": 6}
    assert ns.admin.get(f"{path}/a")["spec"] == {"size": 6}


def test_owners_of_fields(ns: Namespace, group: str) -> None:
    path = ns.path("cows", group=f"{group}/v1")
    body = {"apiVersion": f"{group}/v1", "kind": "Cow", "metadata": {"name": "a"}, "spec": {"tags": {"x": "1"}}}
    ns.admin.ask("PATCH", f"{path}/a?fieldManager=one", body, {"Content-Type": APPLY_PATCH})
    other = {**body, "spec": {"tags": {"x": "2"}}}
    answer = ns.admin.ask("PATCH", f"{path}/a?fieldManager=two", other, {"Content-Type": APPLY_PATCH})
    assert answer.status == 409 and answer.json["details"]["causes"][0]["field"] == ".spec.tags.x"


def test_a_definition_goes_with_its_objects(ns: Namespace, group: str) -> None:
    path = ns.path("cows", group=f"{group}/v1")
    ns.admin.ok("POST", path, {"metadata": {"name": "a"}})
    ns.admin.ok("POST", path, {"metadata": {"name": "b", "finalizers": ["example.com/wait"]}})
    stream = ns.admin.watch(f"{CRDS}?watch=1&fieldSelector=metadata.name=cows.{group}")
    ns.admin.ok("DELETE", f"{CRDS}/cows.{group}")
    while True:  # until it says that it is ending
        event = stream.next()
        if any(one["type"] == "Terminating" for one in event["object"]["status"]["conditions"]):
            break
    assert ns.admin.ask("POST", path, {"metadata": {"name": "c"}}).status == 405
    ns.admin.patch(f"{path}/b", {"metadata": {"finalizers": None}})
    while stream.next()["type"] != "DELETED":
        pass
    stream.close()
    assert ns.admin.ask("GET", path).status == 404
    assert ns.admin.ask("GET", f"/apis/{group}/v1").status == 404


def test_a_taken_name_is_given_when_it_is_free(cluster: LiveKubernetes, group: str) -> None:
    admin = cluster.admin
    names = {"plural": "oxen", "kind": "Cow", "singular": "ox", "listKind": "OxList"}
    other = admin.ok("POST", CRDS, definition(group, names=names))
    found = {one["type"]: one for one in other["status"]["conditions"]}
    assert found["NamesAccepted"]["reason"] == "KindConflict" and found["Established"]["status"] == "False"
    assert found["NamesAccepted"]["message"] == '"Cow" is already in use'
    stream = admin.watch(f"{CRDS}?watch=1&fieldSelector=metadata.name=oxen.{group}")
    admin.ok("DELETE", f"{CRDS}/cows.{group}")
    while not all(one["status"] == "True" for one in stream.next()["object"]["status"]["conditions"]):
        pass
    stream.close()
    assert admin.get(f"/apis/{group}/v1")["resources"][0]["name"] == "oxen"
    admin.ok("DELETE", f"{CRDS}/oxen.{group}")


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"scope": "Galaxy"}, "spec.scope", 'Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"'),
        ({"versions": []}, "spec.versions", "Required value: must have at least one version"),
        ({"names": {"plural": "x_y", "kind": "Cow"}}, "spec.names.plural", None),
        ({"conversion": {"strategy": "Magic"}}, "spec.conversion.strategy", None),
        ({"preserveUnknownFields": True}, "spec.preserveUnknownFields", None),
    ],
)
def test_what_a_definition_may_not_say(cluster: LiveKubernetes, change: Any, field: str, text: str | None) -> None:
    answer = cluster.admin.ask("POST", CRDS, definition("bad.example.com", **change))
    assert answer.status == 422, answer.body
    causes = {one["field"]: one["message"] for one in answer.json["details"]["causes"]}
    assert field in causes and (text is None or causes[field] == text), causes


def test_rules_that_do_not_compile(cluster: LiveKubernetes) -> None:
    bad = definition("bad.example.com")
    spec = bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-validations"] = [{"rule": "self.missing > 1"}, {"rule": "self.size > 'a'"}, {"rule": "self +"}]
    answer = cluster.admin.ask("POST", CRDS, bad)
    assert answer.status == 422
    where = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[{}].rule"
    causes = {one["field"]: one["message"] for one in answer.json["details"]["causes"]}
    assert "undefined field 'missing'" in causes[where.format(0)] and "Syntax error" in causes[where.format(2)]


def test_what_was_broken_before_is_only_warned_of(ns: Namespace, group: str) -> None:
    body = {"apiVersion": f"{group}/v1", "kind": "Cow", "metadata": {"name": "a"}, "spec": {"size": 5}}
    cows = f"/apis/{group}/v1/namespaces/{ns.name}/cows"
    ns.admin.ok("POST", cows, body)
    rules = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations"
    stricter = [{"op": "replace", "path": f"{rules}/0", "value": {"rule": "self.size <= 4", "message": "too many"}}]
    assert ns.admin.patch(f"{CRDS}/cows.{group}", stricter, JSON_PATCH).status == 200
    answer = ns.admin.patch(f"{cows}/a", {"metadata": {"labels": {"a": "b"}}})
    assert answer.status == 200 and 'spec: Invalid value: \\"object\\": too many' in answer.headers["warning"]
    assert "too many" in ns.admin.patch(f"{cows}/a", {"spec": {"size": 6}}).told[2]


def test_rules_are_asked_about_objects_of_the_right_shape(ns: Namespace, group: str) -> None:
    """Their problems come together with others; but for a wrong shape they are not run, and the client is told so."""

    def causes(**fields: Any) -> dict[str, str]:
        body = {"apiVersion": f"{group}/v1", "kind": "Cow", "metadata": {"name": "a"}, "spec": fields}
        answer = ns.admin.ask("POST", f"/apis/{group}/v1/namespaces/{ns.name}/cows", body)
        assert answer.status == 422, answer.body
        return {one["field"]: one["message"] for one in answer.json["details"]["causes"]}

    above = "Invalid value: 10: spec.size in body should be less than or equal to 9"
    assert causes(size=10) == {"spec.size": above, "spec": 'Invalid value: "object": too large a herd'}
    assert causes(size=10, color="green") == {
        "spec.size": above,
        "spec.color": 'Unsupported value: "green": supported values: "red", "blue"',
        "<nil>": "Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation",
    }


def converted_cows(method: str, path: str, body: Any) -> Any:
    """What a webhook answers: v1 has `size`, v2 has `metres`: a hundredth."""
    request, found = body["request"], []
    for one in request["objects"]:
        made = {key: dict(one[key]) for key in ("spec", "status") if key in one}
        for part in made.values():
            if request["desiredAPIVersion"].endswith("/v2") and "size" in part:
                part["metres"] = part.pop("size") // 100
            elif request["desiredAPIVersion"].endswith("/v1") and "metres" in part:
                part["size"] = part.pop("metres") * 100
        found.append({**one, "apiVersion": request["desiredAPIVersion"], **made})
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": found}
    return {"kind": "ConversionReview", "apiVersion": body["apiVersion"], "response": response}


def failed(body: Any) -> Any:
    response = {"uid": body["request"]["uid"], "result": {"status": "Failed", "message": "no idea"}}
    return {"kind": "ConversionReview", "apiVersion": body["apiVersion"], "response": response}


def cow_version(name: str, field: str, **more: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": {field: {"type": "integer"}, **more}}
    schema = {"type": "object", "properties": {"spec": spec, "status": {**spec}}}
    return {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": schema},
            "additionalPrinterColumns": [{"name": "How", "type": "integer", "jsonPath": f".spec.{field}"}],
            "selectableFields": [{"jsonPath": f".spec.{field}"}], "subresources": {"status": {}}}  # fmt: skip


def converted_by(live: LiveWebhook) -> dict[str, Any]:
    """The spec of cows of two versions."""
    config = {"url": f"{live.url}/convert", "caBundle": live.bundle}
    webhook = {"clientConfig": config, "conversionReviewVersions": ["v1"]}
    versions = [cow_version("v1", "size"), cow_version("v2", "metres")]
    return {"versions": versions, "conversion": {"strategy": "Webhook", "webhook": webhook}}


def test_versions_are_converted_by_a_webhook(ns: Namespace, tmp_path: Path) -> None:
    group, admin = next(_groups), ns.admin
    with LiveWebhook(tmp_path, converted_cows) as live:
        spec = converted_by(live)
        versions = spec["versions"]
        admin.ok("POST", CRDS, definition(group, **spec))
        first, second = ns.path("cows", group=f"{group}/v1"), ns.path("cows", group=f"{group}/v2")
        assert admin.ok("POST", second, {"metadata": {"name": "a"}, "spec": {"metres": 3}})["spec"] == {"metres": 3}
        assert admin.get(f"{first}/a")["spec"] == {"size": 300}
        assert admin.patch(f"{first}/a", {"spec": {"size": 500}}).json["spec"] == {"size": 500}
        assert [one["spec"] for one in admin.get(second)["items"]] == [{"metres": 5}]
        stream = admin.watch(f"{second}?watch=1")
        assert stream.next()["object"]["spec"] == {"metres": 5}
        stream.close()
        tables = [admin.get(path, accept=TABLE)["rows"][0]["cells"] for path in (first, second)]
        assert tables == [["a", 500], ["a", 5]]
        chosen = [f"{first}?fieldSelector=spec.size%3D500", f"{second}?fieldSelector=spec.metres%3D5"]
        assert [len(admin.get(path)["items"]) for path in chosen] == [1, 1]
        wanted = {"kind": "Cow", "metadata": {"name": "a"}}
        old = {**wanted, "apiVersion": f"{group}/v1", "spec": {"size": 500}}
        assert admin.patch(f"{first}/a?fieldManager=old", old, APPLY_PATCH).status == 200
        new = {**wanted, "apiVersion": f"{group}/v2", "spec": {"metres": 4}}
        causes = admin.patch(f"{second}/a?fieldManager=new", new, APPLY_PATCH).json["details"]["causes"]
        told = {(one["message"], one["field"]) for one in causes}
        assert ('conflict with "old"', ".spec.size") in told
        versions[0]["storage"], versions[1]["storage"] = False, True
        admin.patch(f"{CRDS}/cows.{group}", {"spec": {"versions": versions}})
        eventually(
            lambda: admin.get(f"{CRDS}/cows.{group}")["status"]["storedVersions"] == ["v1", "v2"], "v2 is stored"
        )
        status = admin.patch(f"{first}/a/status", {"status": {"size": 700}}).json
        assert (status["status"], status["spec"], status["metadata"]["generation"]) == ({"size": 700}, {"size": 500}, 2)
        assert admin.get(f"{second}/a")["status"] == {"metres": 7}
        live.answer = lambda method, path, body: failed(body)
        refused = admin.ask("POST", first, {"metadata": {"name": "b"}, "spec": {"size": 1}})
        text = f"conversion webhook for {group}/v1, Kind=Cow failed: no idea"
        assert refused.told == (500, "", text)
        live.answer = converted_cows
        admin.ok("DELETE", f"{CRDS}/cows.{group}")


def labelled_cows(method: str, path: str, body: Any) -> Any:
    """As `converted_cows`, and says in a label which version an object was made for."""
    found = converted_cows(method, path, body)
    for one in found["response"]["convertedObjects"]:
        one["metadata"] = {**one["metadata"], "labels": {"for": one["apiVersion"].rpartition("/")[2]}}
    return found


def test_metadata_alone_is_of_the_version_that_is_asked_for(ns: Namespace, tmp_path: Path) -> None:
    """`kubectl get --show-labels` reads the metadata that goes with the rows of a table."""
    group, admin, labels = next(_groups), ns.admin, {"for": "v2"}
    with LiveWebhook(tmp_path, labelled_cows) as live:
        admin.ok("POST", CRDS, definition(group, **converted_by(live)))
        first, second = ns.path("cows", group=f"{group}/v1"), ns.path("cows", group=f"{group}/v2")
        admin.ok("POST", first, {"metadata": {"name": "a"}, "spec": {"size": 100}})
        assert admin.get(second)["items"][0]["metadata"]["labels"] == labels
        (row,) = admin.get(second, accept=TABLE)["rows"]
        assert row["object"]["metadata"]["labels"] == labels
        assert admin.get(second, accept=PARTIAL_LIST)["items"][0]["metadata"]["labels"] == labels
        assert admin.get(f"{second}/a", accept=PARTIAL)["metadata"]["labels"] == labels
        assert "labels" not in admin.get(f"{first}/a", accept=PARTIAL)["metadata"]
        admin.ok("DELETE", f"{CRDS}/cows.{group}")


def test_applying_through_two_versions_counts_no_defaults(ns: Namespace, tmp_path: Path) -> None:
    """What was applied in one version, and is not applied in the other now, goes, whatever its default is there."""
    group, admin, legs = next(_groups), ns.admin, {"legs": {"type": "integer", "default": 2}}
    with LiveWebhook(tmp_path, converted_cows) as live:
        config = {"url": f"{live.url}/convert", "caBundle": live.bundle}
        webhook = {"clientConfig": config, "conversionReviewVersions": ["v1"]}
        versions = [cow_version("v1", "size", **legs), cow_version("v2", "metres", **legs)]
        spec = {"versions": versions, "conversion": {"strategy": "Webhook", "webhook": webhook}}
        admin.ok("POST", CRDS, definition(group, **spec))
        first, second = ns.path("cows", group=f"{group}/v1"), ns.path("cows", group=f"{group}/v2")
        old = {"kind": "Cow", "apiVersion": f"{group}/v1", "metadata": {"name": "a"}, "spec": {"size": 100, "legs": 4}}
        new = {**old, "apiVersion": f"{group}/v2", "spec": {"metres": 1}}
        for one, there in ((old, first), (new, second)):
            assert admin.patch(f"{there}/a?fieldManager=m", one, APPLY_PATCH).status < 300
            assert admin.get(f"{second}/a")["spec"] == {"metres": 1, "legs": 4 if one is old else 2}
        admin.ok("DELETE", f"{CRDS}/cows.{group}")


def test_who_uses_a_deprecated_version_is_warned(ns: Namespace, group: str) -> None:
    path, own = ns.path("cows", group=f"{group}/v1"), f"{CRDS}/cows.{group}"
    assert "warning" not in ns.admin.ask("GET", path).headers
    old = ns.admin.get(own)["spec"]["versions"][0]
    newer = {**old, "name": "v2", "storage": False}
    answer = ns.admin.patch(own, {"spec": {"versions": [{**old, "deprecated": True}, newer]}})
    assert answer.status == 200, answer.told
    eventually(lambda: "warning" in ns.admin.ask("GET", path).headers, "the version is deprecated")
    says = f"{group}/v1 Cow is deprecated; use {group}/v2 Cow"
    assert ns.admin.ask("GET", path).headers["warning"] == f'299 - "{says}"'
    assert "warning" not in ns.admin.ask("GET", ns.path("cows", group=f"{group}/v2")).headers

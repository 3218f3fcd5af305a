"""Admission webhooks, asked over HTTPS by a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.kubernetes import APPLY_PATCH, Namespace
from tests.support.webhooks import CONFIGURATIONS, PODS, RULE, Hooks, LiveWebhook, create, last, reviewed

PRESERVE = "x-kubernetes-preserve-unknown-fields"


def test_it_is_asked_and_its_refusal_is_shown(hooks: Hooks) -> None:
    hooks.install("validating", {})
    denied = {"status": {"message": "no cows", "code": 403, "reason": "Forbidden"}, "warnings": ["mind the gap"]}
    hooks.live.answer = lambda method, path, body: reviewed(body, allowed=False, **denied)
    answer = create(hooks)
    assert answer.told == (403, "Forbidden", 'admission webhook "h0.example.com" denied the request: no cows')
    assert "mind the gap" in answer.headers["warning"]
    request = hooks.live.asked[-1]["request"]
    assert request["operation"] == "CREATE" and request["object"]["metadata"]["name"] == "a"
    assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert request["userInfo"]["username"] == "kubernetes-admin" and request["namespace"] == hooks.ns.name
    assert request["dryRun"] is False and request["oldObject"] is None
    assert request["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
    hooks.live.answer = lambda method, path, body: reviewed(body, allowed=False)
    assert create(hooks).told[2] == 'admission webhook "h0.example.com" denied the request without explanation'


def test_connections_are_kept(hooks: Hooks) -> None:
    hooks.install("validating", {})
    for number in range(5):
        assert create(hooks, f"a{number}").status == 201
    assert len(hooks.live.asked) == 5 and hooks.live.connections == 1


def test_a_patch_changes_what_is_stored(hooks: Hooks) -> None:
    patch = [{"op": "add", "path": "/data/added", "value": "yes"}]
    hooks.live.answer = lambda method, path, body: reviewed(body, patch=patch if path.startswith("/0") else None)
    hooks.install("mutating", {"reinvocationPolicy": "IfNeeded"}, {})
    assert create(hooks, x="1").json["data"] == {"x": "1", "added": "yes"}
    assert len(hooks.live.asked) == 2
    changed = hooks.ns.admin.patch(hooks.ns.path("configmaps", "a"), {"data": {"y": "2"}}).json
    assert changed["data"] == {"x": "1", "added": "yes", "y": "2"}
    assert hooks.live.asked[-1]["request"]["oldObject"]["data"] == {"x": "1", "added": "yes"}


def test_a_patch_that_does_not_fit_says_where(hooks: Hooks) -> None:
    patch = [{"op": "remove", "path": "/metadata/nowhere/x"}]
    hooks.live.answer = lambda method, path, body: reviewed(body, patch=patch)
    hooks.install("mutating", {})
    text = 'remove operation does not apply: doc is missing path: "/metadata/nowhere/x": missing value'
    assert create(hooks, x="1").told == (500, "InternalError", f"Internal error occurred: {text}")


def test_what_a_webhook_adds_nobody_owns(hooks: Hooks) -> None:
    """So who applies it later has no conflict with who made the object."""
    patch = [{"op": "add", "path": "/data/added", "value": "yes"}]
    hooks.live.answer = lambda method, path, body: reviewed(body, patch=patch)
    hooks.install("mutating", {})
    made = create(hooks, x="1").json
    assert made["data"] == {"x": "1", "added": "yes"}
    fields = [one["fieldsV1"]["f:data"] for one in made["metadata"]["managedFields"]]
    assert fields == [{".": {}, "f:x": {}}]
    path = hooks.ns.path("configmaps", "a")
    changed = hooks.ns.admin.patch(path, {"data": {"y": "2", "added": None}}).json
    assert changed["data"] == {"x": "1", "added": "yes", "y": "2"}
    assert [one["fieldsV1"]["f:data"] for one in changed["metadata"]["managedFields"]] == [
        {".": {}, "f:x": {}, "f:y": {}}
    ]
    hooks.live.answer = lambda method, path, body: reviewed(body)
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"added": "no"}}
    answer = hooks.ns.admin.patch(f"{path}?fieldManager=other", applied, APPLY_PATCH)
    assert (answer.status, answer.json["data"]["added"]) == (200, "no")


def test_who_wants_to_is_asked_again(hooks: Hooks) -> None:
    def answer(method: str, path: str, body: Any) -> Any:
        value = str(int(body["request"]["object"]["data"].get("n", "0")) + 1)
        return reviewed(body, patch=[{"op": "add", "path": "/data/n", "value": value}])

    hooks.live.answer = answer
    hooks.install("mutating", {"reinvocationPolicy": "IfNeeded"}, {})
    assert create(hooks, x="1").json["data"]["n"] == "3"


def test_what_is_not_meant_is_not_asked(hooks: Hooks) -> None:
    conditions = [{"name": "wanted", "expression": "object.metadata.name.startsWith('yes')"}]
    selector = {"matchLabels": {"a": "b"}}
    hooks.install("validating", {"matchConditions": conditions}, {"objectSelector": selector})
    hooks.live.answer = lambda method, path, body: reviewed(body, allowed=False)
    assert create(hooks, "no").status == 201
    assert create(hooks, "yes-1").status == 400
    body = {"metadata": {"name": "other", "labels": {"a": "b"}}}
    assert 'webhook "h1' in hooks.ns.admin.ask("POST", hooks.ns.path("configmaps"), body).told[2]


def test_failures(hooks: Hooks) -> None:
    nobody = {"url": "https://127.0.0.1:1/x", "caBundle": hooks.live.bundle}
    hooks.install("validating", {"clientConfig": nobody, "failurePolicy": "Ignore"})
    assert create(hooks).status == 201
    hooks.install("validating", {"clientConfig": nobody}, name=f"second-{hooks.ns.name}")
    code, reason, message = create(hooks, "b").told
    assert (code, reason) == (500, "InternalError")
    assert message == (
        'Internal error occurred: failed calling webhook "h0.example.com": failed to call webhook: Post '
        '"https://127.0.0.1:1/x?timeout=30s": dial tcp 127.0.0.1:1: connect: connection refused'
    )


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (404, b"", "the server could not find the requested resource"),
        (503, b"", "the server is currently unable to handle the request"),
        (500, b"no cows", 'an error on the server ("no cows") has prevented the request from succeeding'),
        (418, b"", "the server responded with the status code 418 but did not return more information"),
        (400, b'{"kind": "Status", "apiVersion": "v1", "message": "cows are out"}', "cows are out"),
    ],
)
def test_answers_with_another_status(hooks: Hooks, status: int, body: bytes, text: str) -> None:
    hooks.install("validating", {})
    hooks.live.answer = lambda *_: (status, body)
    told = 'Internal error occurred: failed calling webhook "h0.example.com": failed to call webhook: '
    assert create(hooks).told == (500, "InternalError", told + text)


def test_an_unknown_authority_is_refused(hooks: Hooks, tmp_path: Path) -> None:
    with LiveWebhook(tmp_path, lambda *_: {}) as other:
        hooks.install("validating", {"clientConfig": {"url": hooks.live.url, "caBundle": other.bundle}})
        assert (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority" in create(hooks).told[2]
        )
    assert not hooks.live.asked


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"{}", "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="),
        (
            b"no json",
            "failed to call webhook: couldn't get version/kind; json parse error: invalid character",
        ),
        (b"[" * 100_000, "failed to call webhook: couldn't get version/kind; json parse error: exceeded max depth"),
        (
            b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"UID","warnings":5}}',
            "failed to call webhook: json: cannot unmarshal number into Go struct field AdmissionResponse.",
        ),
        (b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', "webhook response was absent"),
    ],
)
def test_answers_that_are_none(hooks: Hooks, answer: bytes, text: str) -> None:
    hooks.install("validating", {})
    hooks.live.answer = lambda method, path, body: answer.replace(b"UID", body["request"]["uid"].encode())
    found = create(hooks)
    assert found.status == 500 and text in found.told[2]


def test_an_answer_that_is_none_may_be_ignored(hooks: Hooks) -> None:
    hooks.install("validating", {"failurePolicy": "Ignore"})
    hooks.live.answer = lambda *_: b"[" * 100_000
    assert create(hooks).status == 201


def test_a_dry_run_needs_a_hook_that_can(hooks: Hooks) -> None:
    hooks.install("validating", {"sideEffects": "NoneOnDryRun"})
    assert create(hooks, query="?dryRun=All").status == 201
    assert hooks.live.asked[-1]["request"]["dryRun"] is True


def test_a_service_leads_to_its_endpoints(hooks: Hooks, ns: Namespace, tmp_path: Path) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    with LiveWebhook(
        folder, lambda method, path, body: reviewed(body, allowed=False), (f"hook.{ns.name}.svc",)
    ) as live:
        spec = {"type": "ExternalName", "externalName": "127.0.0.1"}
        ns.create("services", {"metadata": {"name": "hook"}, "spec": spec})
        service = {"namespace": ns.name, "name": "hook", "path": "/check", "port": live.port}
        hooks.install("validating", {"clientConfig": {"service": service, "caBundle": live.bundle}})
        assert create(hooks).status == 400 and len(live.asked) == 1


def test_conditions_must_compile(hooks: Hooks) -> None:
    hook = {"name": "h.example.com", "clientConfig": {"url": hooks.live.url}, "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "matchConditions": [{"name": "x", "expression": "object."}]}  # fmt: skip
    body = {"metadata": {"name": f"bad-{hooks.ns.name}"}, "webhooks": [hook]}
    answer = hooks.ns.admin.ask("POST", f"{CONFIGURATIONS}/validatingwebhookconfigurations", body)
    assert (
        answer.status == 422
        and answer.json["details"]["causes"][0]["field"] == "webhooks[0].matchConditions[0].expression"
    )


# Who sees what: versions, subresources, connections


def test_a_rule_for_another_version_sees_the_request_converted(hooks: Hooks) -> None:
    rule = {"operations": ["CREATE"], "apiGroups": ["autoscaling"], "apiVersions": ["v1"],
            "resources": ["horizontalpodautoscalers"]}  # fmt: skip
    patch = [{"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 44}]
    hooks.live.answer = lambda method, path, body: reviewed(body, patch=patch)
    hooks.install("mutating", {"rules": [rule]})
    hooks.install("validating", {"rules": [rule], "matchPolicy": "Exact"})
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    body = {"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "scaleTargetRef": target, "metrics": [cpu]}}
    path = f"/apis/autoscaling/v2/namespaces/{hooks.ns.name}/horizontalpodautoscalers"
    made = hooks.ns.admin.ok("POST", path, body)
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 44
    assert len(hooks.live.asked) == 1, "the exact rule is for another version"
    request = last(hooks)
    assert request["kind"]["version"] == "v1" == request["resource"]["version"]
    assert request["requestKind"]["version"] == "v2" == request["requestResource"]["version"]
    assert request["object"]["apiVersion"] == "autoscaling/v1"
    assert request["object"]["spec"]["targetCPUUtilizationPercentage"] == 50


def test_versions_of_a_definition_are_equivalent(hooks: Hooks) -> None:
    group = f"{hooks.ns.name}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", PRESERVE: True}}}}
    versions = [{"name": one, "served": True, "storage": one == "v2", "schema": schema} for one in ("v1", "v2")]
    names = {"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "WidgetList"}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": versions}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    hooks.ns.admin.ok("POST", crds, {"metadata": {"name": f"widgets.{group}"}, "spec": spec})
    try:
        hooks.install("validating", {"rules": [{**RULE, "apiGroups": [group], "resources": ["widgets"]}]})
        path = f"/apis/{group}/v2/namespaces/{hooks.ns.name}/widgets"
        body = {"apiVersion": f"{group}/v2", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"a": 1}}
        hooks.ns.admin.ok("POST", path, body)
        assert last(hooks)["object"]["apiVersion"] == f"{group}/v1"
        hooks.ns.admin.ok("DELETE", f"{path}/a")
        request = last(hooks)
        assert request["operation"] == "DELETE" and request["oldObject"]["apiVersion"] == f"{group}/v1"
        assert request["requestResource"] == {"group": group, "version": "v2", "resource": "widgets"}
    finally:
        hooks.ns.admin.ok("DELETE", f"{crds}/widgets.{group}")


def test_subresources_are_asked_about_as_what_is_sent(hooks: Hooks) -> None:
    hooks.ns.pod("web")
    hooks.install("validating", {"rules": [PODS, {**PODS, "apiGroups": ["apps"], "resources": ["deployments/scale"]}]})
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n1"}}
    hooks.ns.admin.ok("POST", hooks.ns.path("pods", "web", "binding"), binding)
    bound = last(hooks)
    assert (bound["operation"], bound["subResource"], bound["kind"]["kind"]) == ("CREATE", "binding", "Binding")
    assert bound["object"]["target"]["name"] == "n1"
    count = len(hooks.live.asked)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    hooks.ns.admin.ok("POST", hooks.ns.path("pods", "web", "eviction"), eviction)
    evicted = last(hooks)
    assert evicted["kind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    assert evicted["object"]["kind"] == "Eviction" and len(hooks.live.asked) == count + 1
    hooks.live.answer = lambda method, path, body: reviewed(body, allowed=False)
    assert hooks.ns.admin.ask("POST", hooks.ns.path("pods", "web", "eviction"), eviction).status == 400


def test_a_scale_is_shown_and_can_be_changed(hooks: Hooks) -> None:
    rule = {"operations": ["UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments/scale"]}
    path = f"/apis/apps/v1/namespaces/{hooks.ns.name}/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    hooks.ns.admin.ok("POST", path, {"metadata": {"name": "web"}, "spec": spec})
    patch = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    hooks.live.answer = lambda method, path, body: reviewed(body, patch=patch)
    hooks.install("mutating", {"rules": [rule]})
    scale = hooks.ns.admin.patch(f"{path}/web/scale", {"spec": {"replicas": 2}}).json
    assert scale["spec"]["replicas"] == 3
    request = last(hooks)
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert request["object"]["spec"]["replicas"] == 2 and request["oldObject"]["spec"]["replicas"] == 1


def test_selectors_choose_on_all_verbs(hooks: Hooks) -> None:
    hooks.install("validating", {"objectSelector": {"matchLabels": {"watched": "yes"}}})
    body = {"metadata": {"name": "a", "labels": {"watched": "yes"}}}
    hooks.ns.admin.ok("POST", hooks.ns.path("configmaps"), body)
    hooks.ns.admin.patch(hooks.ns.path("configmaps", "a"), {"metadata": {"labels": {"watched": None}}})
    hooks.ns.admin.patch(hooks.ns.path("configmaps", "a"), {"data": {"x": "y"}})
    hooks.ns.admin.ok("DELETE", hooks.ns.path("configmaps", "a"))
    seen = [one["request"]["operation"] for one in hooks.live.asked]
    assert seen == ["CREATE", "UPDATE"], "the old object counts, too; without the label nobody is asked"
    hooks.ns.admin.ok("POST", hooks.ns.path("configmaps"), body)
    hooks.ns.admin.ok("DELETE", hooks.ns.path("configmaps"))
    assert last(hooks)["operation"] == "DELETE" and last(hooks)["oldObject"]["metadata"]["name"] == "a"


def test_owners_that_a_patch_breaks_stay_as_they_were(hooks: Hooks) -> None:
    patch = [{"op": "add", "path": "/metadata/managedFields", "value": [{"operation": "Fly"}]}]
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    path = f"{hooks.ns.path('configmaps', 'a')}?fieldManager=me"
    hooks.live.answer = lambda method, asked, body: reviewed(body, patch=patch)
    hooks.install("mutating", {})
    answer = hooks.ns.admin.patch(path, applied, APPLY_PATCH)
    assert answer.status == 201
    (entry,) = answer.json["metadata"]["managedFields"]
    assert (entry["manager"], entry["fieldsV1"]) == ("me", {"f:data": {"f:x": {}}})
    assert "please fix your requests: operation must be `Apply` or `Update`" in answer.headers["warning"]
    assert "managedFields" in answer.headers["warning"]
    plain = create(hooks, "b", x="1")
    assert plain.status == 201 and [one["manager"] for one in plain.json["metadata"]["managedFields"]] == ["test"]
    assert ".metadata.managedFields was in an invalid state after admission" in plain.headers["warning"]

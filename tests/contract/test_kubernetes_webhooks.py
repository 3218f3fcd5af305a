"""Admission webhooks, asked over HTTPS by a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.app import Options
from corral.cluster.apiserver.audit.events import Auditor
from corral.cluster.apiserver.audit.policy import parse
from corral.cluster.apiserver.caching.item import resource_prefix, stored_bytes
from tests.support.kubernetes import LiveKubernetes, Namespace
from tests.support.webhooks import LiveWebhook, reviewed

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


class Hooks:
    def __init__(self, ns: Namespace, live: LiveWebhook) -> None:
        self.ns, self.live, self._made = ns, live, list[str]()

    def install(self, kind: str, *hooks: dict[str, Any], name: str = "") -> None:
        """`kind`: mutating or validating. Only this test's namespace is looked at."""
        name = name or f"{kind}-{self.ns.name}"
        plural = f"{kind}webhookconfigurations"
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.ns.name}}
        made = [
            {"name": f"h{index}.example.com", "clientConfig": {"url": f"{self.live.url}/{index}", "caBundle": self.live.bundle},  # noqa: E501
             "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"], "namespaceSelector": selector,
             "timeoutSeconds": 5, **hook}
            for index, hook in enumerate(hooks)
        ]  # fmt: skip
        self.ns.admin.ok("POST", f"{CONFIGURATIONS}/{plural}", {"metadata": {"name": name}, "webhooks": made})
        self._made.append(f"{CONFIGURATIONS}/{plural}/{name}")

    def put_as_it_was(self, kind: str, **fields: str) -> None:
        """The hooks of a configuration get fields in the store, as another release may have left them there."""
        plural, name = f"{kind}webhookconfigurations", f"{kind}-{self.ns.name}"
        found = self.ns.admin.get(f"{CONFIGURATIONS}/{plural}/{name}")
        found["webhooks"] = [{**hook, **fields} for hook in found["webhooks"]]
        key = resource_prefix("admissionregistration.k8s.io", plural) + f"/{name}"
        self.ns.cluster.run(self.ns.cluster.store.commit({key: stored_bytes(found)}))
        assert self.ns.admin.get(f"{CONFIGURATIONS}/{plural}/{name}")["webhooks"] == found["webhooks"]

    def remove(self) -> None:
        for path in self._made:
            self.ns.admin.ok("DELETE", path)


@pytest.fixture
def hooks(ns: Namespace, tmp_path: Path) -> Iterator[Hooks]:
    with LiveWebhook(tmp_path, lambda method, path, body: reviewed(body)) as live:
        found = Hooks(ns, live)
        yield found
        found.remove()


def create(hooks: Hooks, name: str = "a", query: str = "", **data: str) -> Any:
    return hooks.ns.admin.ask("POST", hooks.ns.path("configmaps") + query, {"metadata": {"name": name}, "data": data})


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
        '"https://127.0.0.1:1/x?timeout=5s": dial tcp 127.0.0.1:1: connect: connection refused'
    )


def test_an_unknown_authority_is_refused(hooks: Hooks, tmp_path: Path) -> None:
    with LiveWebhook(tmp_path, lambda *_: {}) as other:
        hooks.install("validating", {"clientConfig": {"url": hooks.live.url, "caBundle": other.bundle}})
        assert "tls: failed to verify certificate" in create(hooks).told[2]
    assert not hooks.live.asked


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"{}", "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got , Kind="),
        (b"no json", "couldn't get version/kind; json parse error"),
        (b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', "webhook response was absent"),
    ],
)
def test_answers_that_are_none(hooks: Hooks, answer: bytes, text: str) -> None:
    hooks.install("validating", {})
    hooks.live.answer = lambda *_: answer
    found = create(hooks)
    assert found.status == 500 and text in found.told[2]


def test_a_dry_run_needs_a_hook_that_can(hooks: Hooks) -> None:
    hooks.install("validating", {"sideEffects": "NoneOnDryRun"})
    assert create(hooks, query="?dryRun=All").status == 201
    assert hooks.live.asked[-1]["request"]["dryRun"] is True


@pytest.mark.parametrize("kind", ["mutating", "validating"])
@pytest.mark.parametrize("effects", ["Some", "Unknown"])
def test_a_dry_run_is_refused_where_a_hook_has_side_effects(hooks: Hooks, kind: str, effects: str) -> None:
    """Nobody can make such a hook today; one from the days of v1beta1 may be in the store."""
    refused = hooks.ns.admin.ask("POST", f"{CONFIGURATIONS}/{kind}webhookconfigurations", {
        "metadata": {"name": "x"}, "webhooks": [{"name": "h.example.com", "sideEffects": effects,
        "clientConfig": {"url": hooks.live.url}, "admissionReviewVersions": ["v1"]}]})  # fmt: skip
    assert refused.status == 422 and f'sideEffects: Unsupported value: "{effects}"' in refused.told[2]
    hooks.install(kind, {"failurePolicy": "Ignore"})
    hooks.put_as_it_was(kind, sideEffects=effects)
    assert create(hooks, query="?dryRun=All").told == (
        400, "BadRequest", 'admission webhook "h0.example.com" does not support dry run'
    )  # fmt: skip
    assert not hooks.live.asked
    assert create(hooks).status == 201 and len(hooks.live.asked) == 1


def test_what_failed_open_is_noted(tmp_path: Path, hooks: Hooks) -> None:
    """In the audit log: which hook of all, in which round; and that a hook that could not be asked changed nothing."""
    events: list[dict[str, Any]] = []
    policy = parse({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]})
    nobody = {"clientConfig": {"url": "https://127.0.0.1:1/x"}, "failurePolicy": "Ignore"}
    other = {"objectSelector": {"matchLabels": {"a": "b"}}}
    options = Options(auditor=Auditor(policy, events.append, lambda: 0.0))
    with LiveKubernetes(tmp_path / "audited", options=options) as audited:
        own = Hooks(Namespace(audited, "own"), hooks.live)
        patch = [{"op": "add", "path": "/data/added", "value": "yes"}]
        hooks.live.answer = lambda method, path, body: reviewed(body, patch=patch if path == "/2?timeout=5s" else None)
        own.install("mutating", other, {**nobody, "reinvocationPolicy": "IfNeeded"}, {})
        own.install("validating", other, nobody)
        assert create(own, x="1").json["data"] == {"x": "1", "added": "yes"}
    done = [one for one in events if one["stage"] == "ResponseComplete" and one["verb"] == "create"]
    created = next(one for one in done if one["objectRef"]["resource"] == "configmaps")
    notes = {key: value for key, value in created["annotations"].items() if "webhook.admission" in key}
    by = '{"configuration":"mutating-own","webhook":'
    assert notes == {
        "failed-open.mutation.webhook.admission.k8s.io/round_0_index_1": "h1.example.com",
        "mutation.webhook.admission.k8s.io/round_0_index_1": f'{by}"h1.example.com","mutated":false}}',
        "mutation.webhook.admission.k8s.io/round_0_index_2": f'{by}"h2.example.com","mutated":true}}',
        "failed-open.mutation.webhook.admission.k8s.io/round_1_index_1": "h1.example.com",
        "mutation.webhook.admission.k8s.io/round_1_index_1": f'{by}"h1.example.com","mutated":false}}',
        "failed-open.validating.webhook.admission.k8s.io/round_0_index_0": "h1.example.com",
    }


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

PODS = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods", "pods/*"]}


def _last(hooks: Hooks) -> Any:
    return hooks.live.asked[-1]["request"]


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
    request = _last(hooks)
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
        assert _last(hooks)["object"]["apiVersion"] == f"{group}/v1"
        hooks.ns.admin.ok("DELETE", f"{path}/a")
        request = _last(hooks)
        assert request["operation"] == "DELETE" and request["oldObject"]["apiVersion"] == f"{group}/v1"
        assert request["requestResource"] == {"group": group, "version": "v2", "resource": "widgets"}
    finally:
        hooks.ns.admin.ok("DELETE", f"{crds}/widgets.{group}")


def test_subresources_are_asked_about_as_what_is_sent(hooks: Hooks) -> None:
    hooks.ns.pod("web")
    hooks.install("validating", {"rules": [PODS, {**PODS, "apiGroups": ["apps"], "resources": ["deployments/scale"]}]})
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n1"}}
    hooks.ns.admin.ok("POST", hooks.ns.path("pods", "web", "binding"), binding)
    bound = _last(hooks)
    assert (bound["operation"], bound["subResource"], bound["kind"]["kind"]) == ("CREATE", "binding", "Binding")
    assert bound["object"]["target"]["name"] == "n1"
    count = len(hooks.live.asked)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    hooks.ns.admin.ok("POST", hooks.ns.path("pods", "web", "eviction"), eviction)
    evicted = _last(hooks)
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
    request = _last(hooks)
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert request["object"]["spec"]["replicas"] == 2 and request["oldObject"]["spec"]["replicas"] == 1


def test_connections_are_asked_about(hooks: Hooks) -> None:
    hooks.ns.pod("web")
    hooks.install("validating", {"rules": [{**PODS, "operations": ["CONNECT"]}]})
    hooks.live.answer = lambda method, path, body: reviewed(body, allowed=False, status={"message": "no way in"})
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    for sub, query, kind in (
        ("exec", "?command=ls&stdout=true", "PodExecOptions"),
        ("attach", "?stdout=true", "PodAttachOptions"),
        ("portforward", "?ports=80", "PodPortForwardOptions"),
        ("proxy", "", "PodProxyOptions"),
    ):
        answer = hooks.ns.admin.ask("GET", hooks.ns.path("pods", "web", sub) + query, headers=upgrade)
        assert answer.told[2] == 'admission webhook "h0.example.com" denied the request: no way in', sub
        request = _last(hooks)
        assert (request["operation"], request["subResource"]) == ("CONNECT", sub)
        assert request["kind"] == {"group": "", "version": "v1", "kind": kind} and request["object"]["kind"] == kind


def test_connections_to_services_and_nodes_are_asked_about(hooks: Hooks) -> None:
    """By every method; of a node, which is in no namespace, whatever namespaces are selected."""
    rules = [{**RULE, "operations": ["CONNECT"], "resources": ["services/proxy", "nodes/proxy"]}]
    hooks.install("validating", {"rules": rules})
    hooks.live.answer = lambda method, path, body: reviewed(body, allowed=False, status={"message": "no way in"})
    hooks.ns.create("services", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    path = hooks.ns.path("services", "web:80", "proxy/some/where")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        answer = hooks.ns.admin.ask(method, path)
        assert answer.status == 400, method
    request = _last(hooks)
    assert (request["operation"], request["subResource"], request["name"]) == ("CONNECT", "proxy", "web:80")
    assert request["resource"]["resource"] == "services" and request["namespace"] == hooks.ns.name
    assert request["object"]["kind"] == "ServiceProxyOptions" and request["object"]["path"] == "some/where"
    assert len(hooks.live.asked) == 7

    node = f"/api/v1/nodes/node-{hooks.ns.name}"
    hooks.ns.admin.ok("POST", "/api/v1/nodes", {"metadata": {"name": f"node-{hooks.ns.name}"}})
    told = hooks.ns.admin.ask("GET", f"{node}/proxy/healthz").told
    assert told[2] == 'admission webhook "h0.example.com" denied the request: no way in'
    request = _last(hooks)
    assert request["kind"] == {"group": "", "version": "v1", "kind": "NodeProxyOptions"}
    assert (request["operation"], request["subResource"]) == ("CONNECT", "proxy") and "namespace" not in request
    assert request["object"]["path"] == "healthz" and len(hooks.live.asked) == 8


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
    assert _last(hooks)["operation"] == "DELETE" and _last(hooks)["oldObject"]["metadata"]["name"] == "a"

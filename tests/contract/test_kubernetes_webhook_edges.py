"""Admission webhooks at the edges: dry runs, failing open, and connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.app import Options
from corral.cluster.apiserver.audit.events import Auditor
from corral.cluster.apiserver.audit.policy import parse
from tests.support.kubernetes import APPLY_PATCH, LiveKubernetes, Namespace
from tests.support.webhooks import CONFIGURATIONS, PODS, RULE, Hooks, create, last, reviewed


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
        hooks.live.answer = lambda method, path, body: reviewed(body, patch=patch if path == "/2?timeout=30s" else None)
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
        request = last(hooks)
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
    request = last(hooks)
    assert (request["operation"], request["subResource"], request["name"]) == ("CONNECT", "proxy", "web:80")
    assert request["resource"]["resource"] == "services" and request["namespace"] == hooks.ns.name
    assert request["object"]["kind"] == "ServiceProxyOptions" and request["object"]["path"] == "some/where"
    assert len(hooks.live.asked) == 7

    node = f"/api/v1/nodes/node-{hooks.ns.name}"
    hooks.ns.admin.ok("POST", "/api/v1/nodes", {"metadata": {"name": f"node-{hooks.ns.name}"}})
    told = hooks.ns.admin.ask("GET", f"{node}/proxy/healthz").told
    assert told[2] == 'admission webhook "h0.example.com" denied the request: no way in'
    request = last(hooks)
    assert request["kind"] == {"group": "", "version": "v1", "kind": "NodeProxyOptions"}
    assert (request["operation"], request["subResource"]) == ("CONNECT", "proxy") and "namespace" not in request
    assert request["object"]["path"] == "healthz" and len(hooks.live.asked) == 8


def test_an_apply_that_somebody_was_faster_than_changes_what_they_made(hooks: Hooks) -> None:
    """The object comes into being between the look for it and the write: here, while a hook is asked."""
    path = hooks.ns.path("configmaps", "c")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    media = {"Content-Type": APPLY_PATCH}

    def answer(_method: str, _path: str, review: dict[str, Any]) -> dict[str, Any]:
        if len(hooks.live.asked) == 1:
            other = hooks.ns.cluster.another_admin()
            other.ok("PATCH", f"{path}?fieldManager=fast", {**body, "data": {"a": "1"}}, media)
            other.close()
        return reviewed(review)

    hooks.install("mutating", {})
    hooks.live.answer = answer
    found = hooks.ns.admin.ok("PATCH", f"{path}?fieldManager=slow", {**body, "data": {"b": "2"}}, media)
    assert found["data"] == {"a": "1", "b": "2"}
    assert [one["manager"] for one in found["metadata"]["managedFields"]] == ["fast", "slow"]
    assert [one["request"]["operation"] for one in hooks.live.asked] == ["CREATE", "CREATE", "UPDATE"]

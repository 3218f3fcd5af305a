"""Admission webhooks, asked over HTTPS by a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kubernetes import Namespace
from tests.support.webhooks import LiveWebhook, reviewed

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
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

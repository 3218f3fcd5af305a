"""How long a request may take: the parameter `timeout`, and what is said when the time is over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver import deadlines
from corral.cluster.apiserver.app import Options
from corral.cluster.apiserver.audit.events import Auditor
from corral.cluster.apiserver.audit.policy import parse
from corral.cluster.apiserver.limits import Limits
from tests.support.kubernetes import APPLY_PATCH, JSON_PATCH, LiveKubernetes, Namespace
from tests.support.webhooks import Hooks, LiveWebhook, create, reviewed

INVALID = "invalid timeout specified in the request URL - time: "
WAITED = (504, "Timeout", "Timeout: request did not complete within requested timeout - context deadline exceeded")
NAMELESS = {"metadata": {}, "status": "Failure", "reason": "Timeout", "details": {}, "code": 504,
            "message": "Timeout: request did not complete within the allotted timeout"}  # fmt: skip


@pytest.fixture
def short(tmp_path: Path) -> Iterator[LiveKubernetes]:
    """A server that gives a request half a second."""
    with LiveKubernetes(tmp_path / "short", options=Options(limits=Limits(seconds=0.5))) as made:
        yield made


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[LiveWebhook, threading.Event]]:
    """A webhook that answers once it is let."""
    let = threading.Event()

    def answer(_method: str, _path: str, review: dict[str, Any]) -> dict[str, Any]:
        assert let.wait(30)
        return reviewed(review)

    with LiveWebhook(tmp_path, answer) as live:
        yield live, let
        let.set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("abc", 'invalid duration "abc"'),
        ("10", 'missing unit in duration "10"'),
        ("1d", 'unknown unit "d" in duration "1d"'),
        ("%201s", 'invalid duration " 1s"'),
    ],
)
def test_a_timeout_that_is_none_is_refused(ns: Namespace, text: str, told: str) -> None:
    refused = (400, "BadRequest", INVALID + told)
    path = ns.path("configmaps")
    for method, where in (
        ("GET", path), ("GET", f"{path}/c"), ("DELETE", f"{path}/c"), ("DELETE", path), ("GET", "/version"),
        ("GET", "/apis"), ("GET", "/nowhere"), ("GET", "/openapi/v2"),
    ):  # fmt: skip
        assert ns.admin.ask(method, f"{where}?timeout={text}").told == refused, (method, where)
    body = {"metadata": {"name": "c"}}
    assert ns.admin.ask("POST", f"{path}?timeout={text}", body).told == refused
    assert ns.admin.ask("PUT", f"{path}/c?timeout={text}", body).told == refused
    assert ns.admin.ask("PATCH", f"{path}/c?timeout={text}", [], {"Content-Type": JSON_PATCH}).told == refused
    assert ns.admin.ask("GET", path).json["items"] == []


def test_it_is_looked_at_before_anybody_is_asked_who_they_are(cluster: LiveKubernetes) -> None:
    nobody = cluster.bearer("nonsense")
    assert nobody.ask("GET", "/api?timeout=x").told == (400, "BadRequest", f'{INVALID}invalid duration "x"')
    assert nobody.ask("GET", "/api?timeout=1s").told[0] == 401
    nobody.close()


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "500ms", "32s", "1m30s", "10h", "1s&timeout=abc"])
def test_one_that_is_enough_changes_nothing(ns: Namespace, text: str) -> None:
    path = ns.path("configmaps")
    assert ns.admin.ask("GET", f"{path}?timeout={text}").status == 200
    assert ns.admin.ask("POST", f"{path}?timeout=0s", {"metadata": {"generateName": "c"}}).status == 201


def test_watches_have_a_parameter_of_their_own(ns: Namespace) -> None:
    stream = ns.admin.watch(f"{ns.path('configmaps')}?watch=1&timeout=abc&timeoutSeconds=1")
    ns.config("c")
    assert stream.next()["type"] == "ADDED"
    assert stream.rest() == []
    stream.close()


def test_a_read_without_an_end_is_given_up(short: LiveKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a Status that does not say what it is, which clients have words of their own for."""

    async def never(_call: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(short.api.server, "resources", never)
    for query in ("", "?timeout=10m", "?timeout=1ms"):
        answer = short.admin.ask("GET", f"/api/v1/pods{query}")
        assert (answer.status, answer.json) == (504, NAMELESS)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8" and answer.headers["audit-id"]
    assert short.admin.ask("GET", "/version").status == 200
    assert not any(short.api.metrics.inflight.values())
    metrics = short.admin.ask("GET", "/metrics").body.decode()
    assert "apiserver_request_total{" in metrics and 'code="504"' in metrics


def test_a_write_has_less_time(
    ns: Namespace, held: tuple[LiveWebhook, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """34 s, after which a Status says so that can be read; and nothing is written, whatever the hook says then."""
    monkeypatch.setattr(deadlines, "WRITE_SECONDS", 0.3)
    live, let = held
    hooks = Hooks(ns, live)
    hooks.install("mutating", {"failurePolicy": "Ignore"})
    path, body = ns.path("configmaps"), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    apply = {"Content-Type": APPLY_PATCH}
    assert ns.admin.ask("POST", path, body).told == WAITED
    assert ns.admin.ask("POST", f"{path}?timeout=50s", body).told == WAITED
    assert ns.admin.ask("PATCH", f"{path}/c?fieldManager=me", body, apply).told == WAITED
    assert ns.admin.ask("POST", f"{path}?timeout=100ms", body).json == NAMELESS
    let.set()
    assert ns.admin.ask("GET", f"{path}/c").status == 404
    assert create(hooks, x="1").status == 201
    hooks.remove()


def test_the_audit_log_has_what_was_given_up_and_what_was_refused(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    policy = parse({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]})
    options = Options(limits=Limits(seconds=0.1), auditor=Auditor(policy, events.append, lambda: 0.0))
    with LiveKubernetes(tmp_path / "audited", options=options) as audited:

        async def never(_call: Any) -> Any:
            await asyncio.Event().wait()

        audited.api.server.resources = never
        audited.admin.ask("GET", "/api/v1/pods")
        audited.admin.ask("GET", "/api/v1/pods?timeout=x")
    ended = [one["responseStatus"] for one in events if one["stage"] == "ResponseComplete"][-2:]
    assert ended[0]["code"] == 504
    assert (ended[1]["code"], ended[1]["message"]) == (400, f'{INVALID}invalid duration "x"')


@pytest.mark.parametrize("kind", ["mutating", "validating"])
def test_webhooks_are_told_how_much_of_the_time_is_left(hooks: Hooks, kind: str) -> None:
    """As in upstream's integration test: the request's time, where it is less than the webhook's own."""
    paths: list[str] = []

    def answer(_method: str, path: str, review: dict[str, Any]) -> dict[str, Any]:
        paths.append(path)
        return reviewed(review)

    hooks.live.answer = answer
    hooks.install(kind, {"timeoutSeconds": 20}, {"timeoutSeconds": 5})
    assert create(hooks, query="?timeout=10s").status == 201
    assert sorted(paths) == ["/0?timeout=10s", "/1?timeout=5s"]

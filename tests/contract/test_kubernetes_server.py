"""The API server around its objects: who is let in, what is refused and how, discovery, health, numbers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.app import Options
from corral.cluster.apiserver.audit.events import Auditor
from corral.cluster.apiserver.audit.policy import parse
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.limits import Limits
from corral.http.message import Answer
from tests.support.kubernetes import APPLY_PATCH, LiveKubernetes, Namespace

PROTOBUF = "application/vnd.kubernetes.protobuf"


# Who is let in


def test_nobody_sees_little(cluster: LiveKubernetes) -> None:
    nobody = cluster.nobody
    assert nobody.ask("GET", "/livez").body == b"ok"
    assert nobody.get("/version")["gitVersion"].startswith("v1.37")
    text = 'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" at the '
    assert nobody.ask("GET", "/api/v1/namespaces").told == (403, "Forbidden", f"{text}cluster scope")
    assert nobody.ask("GET", "/metrics").told == (
        403,
        "Forbidden",
        'forbidden: User "system:anonymous" cannot get path "/metrics"',
    )
    assert nobody.ask("GET", "/metrics").json["details"] == {}
    nobody.close()


def test_bad_credentials_are_401(cluster: LiveKubernetes) -> None:
    stranger = cluster.bearer("nonsense")
    assert stranger.ask("GET", "/livez").told == (401, "Unauthorized", "Unauthorized")
    stranger.close()


def test_acting_as_somebody_else(ns: Namespace) -> None:
    jane = ns.admin.acting(impersonate_user="jane", impersonate_group="dev")
    review = jane.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    found = review["status"]["userInfo"]
    assert found["username"] == "jane" and set(found["groups"]) == {"dev", "system:authenticated"}
    twice = ns.admin.acting(impersonate_group="dev").ask("GET", "/api/v1/namespaces")
    assert twice.told[0] == 400 and "without impersonating a user" in twice.told[2]
    jane.close()


# Headers, methods, paths


def test_every_answer_has_an_audit_id(ns: Namespace) -> None:
    first, second = (ns.admin.ask("GET", "/version").headers["audit-id"] for _ in range(2))
    assert first != second
    assert ns.admin.ask("GET", "/version", headers={"Audit-ID": "mine"}).headers["audit-id"] == "mine"


def test_the_flow_of_a_request_is_named(ns: Namespace) -> None:
    headers = ns.admin.ask("GET", ns.path("configmaps")).headers
    schema = ns.admin.get("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/exempt")
    level = ns.admin.get("/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/exempt")
    assert headers["x-kubernetes-pf-flowschema-uid"] == schema["metadata"]["uid"]
    assert headers["x-kubernetes-pf-prioritylevel-uid"] == level["metadata"]["uid"]
    jane = ns.admin.acting(impersonate_user="jane")
    other = jane.ask("GET", ns.path("configmaps")).headers["x-kubernetes-pf-flowschema-uid"]
    default = ns.admin.get("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/global-default")
    assert other == default["metadata"]["uid"]
    jane.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothings", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a/frob", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("DELETE", "/api/v1/configmaps", 405),
        ("PUT", "/api/v1/namespaces/default/configmaps", 405),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("PATCH", "/api/v1/componentstatuses/a", 405),
        ("POST", "/version", 405),
        ("OPTIONS", "/api/v1/namespaces/default/configmaps", 405),
    ],
)
def test_what_there_is_not(ns: Namespace, method: str, path: str, status: int) -> None:
    body = {} if method in ("POST", "PUT") else None
    code, reason, _ = ns.admin.ask(method, path, body).told
    assert (code, reason) == (status, "NotFound" if status == 404 else "MethodNotAllowed")


@pytest.mark.parametrize("path", ["/apis/none.example.com/v1/things", "/apis/none.example.com/v1", "/nowhere"])
def test_where_nothing_is_served_go_speaks(ns: Namespace, path: str) -> None:
    """No Status: clients make one of their own, which says what they asked for ("… (get things.none.example.com)")."""
    answer = ns.admin.ask("GET", path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_status_is_indented_for_who_reads_it(ns: Namespace) -> None:
    path = ns.path("configmaps", "none")
    assert b"\n" not in ns.admin.ask("GET", path).body.strip()
    for query, headers in (("", {"User-Agent": "curl/8.0"}), ("?pretty=1", {})):
        shown = ns.admin.ask("GET", f"{path}{query}", headers=headers)
        assert shown.status == 404 and shown.body.startswith(b'{\n  "kind": "Status",\n')


def test_a_head_has_no_body(ns: Namespace) -> None:
    ns.config("a")
    answer = ns.admin.ask("HEAD", ns.path("configmaps", "a"))
    assert (answer.status, answer.body) == (200, b"") and int(answer.headers["content-length"]) > 0


# Bodies


def test_bodies_of_other_kinds(ns: Namespace) -> None:
    yaml = b"metadata: {name: yam}\ndata: {k: v}\n"
    assert ns.admin.ask("POST", ns.path("configmaps"), yaml, {"Content-Type": "application/yaml"}).status == 201
    code, reason, message = ns.admin.ask("POST", ns.path("configmaps"), b"x", {"Content-Type": "text/plain"}).told
    assert (code, reason) == (415, "UnsupportedMediaType") and PROTOBUF in message
    metadata = b"\n\x01p"  # field 1, the name
    config = b"\n" + bytes((len(metadata),)) + metadata
    kind = b"\n\x02v1\x12\tConfigMap"
    envelope = b"k8s\x00\n" + bytes((len(kind),)) + kind + b"\x12" + bytes((len(config),)) + config
    made = ns.admin.ask("POST", ns.path("configmaps"), envelope, {"Content-Type": PROTOBUF})
    assert (made.status, made.json["metadata"]["name"]) == (201, "p")


def test_a_body_that_is_too_large(ns: Namespace) -> None:
    body = {"metadata": {"name": "a"}, "data": {"k": "v" * (3 * 1024 * 1024)}}
    code, reason, message = ns.admin.ask("POST", ns.path("configmaps"), body).told
    assert (code, reason) == (413, "RequestEntityTooLarge") and "limit is 3145728" in message


# Failures


@pytest.fixture(scope="module")
def lame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKubernetes]:
    """A server that does one thing at a time, writes an audit log, and breaks when asked for a certain path."""
    events: list[dict] = []
    policy = parse({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]})
    options = Options(limits=Limits(1, 1), auditor=Auditor(policy, events.append, lambda: 0.0))
    with LiveKubernetes(tmp_path_factory.mktemp("lame"), options=options) as made:
        made.events = events  # type: ignore[attr-defined]
        yield made


def test_a_failure_is_a_status_and_no_trace(lame: LiveKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(call: Call) -> Answer:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(lame.api.server, "others", broken)
    code, reason, message = lame.admin.ask("GET", "/version").told
    assert (code, reason) == (500, "InternalError") and "secret" not in message and "Traceback" not in message


def test_too_many_at_a_time_are_turned_away(lame: LiveKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    usual = lame.api.server.others

    async def slow(call: Call) -> Answer:
        entered.set()
        await leave.wait()
        return await usual(call)

    monkeypatch.setattr(lame.api.server, "others", slow)
    jane = lame.nobody
    waiting = jane.connect()
    waiting.request("GET", "/version")
    lame.run(entered.wait())
    answer = lame.nobody.ask("GET", "/version")
    assert answer.told == (429, "TooManyRequests", "Too many requests, please try again later.")
    assert answer.headers["retry-after"] == "1"
    assert lame.admin.ask("GET", "/api/v1/namespaces/default").status == 200  # the masters are never turned away
    lame.loop.call_soon_threadsafe(leave.set)
    assert waiting.getresponse().status == 200
    waiting.close()


def test_the_audit_log_has_requests_and_their_ends(lame: LiveKubernetes) -> None:
    lame.events.clear()  # type: ignore[attr-defined]
    body = {"metadata": {"name": "audited"}}
    path = "/api/v1/namespaces/default/configmaps?fieldManager=a%2Fb"
    number = lame.admin.ask("POST", path, body).headers["audit-id"]
    found = [one for one in lame.events if one["auditID"] == number]  # type: ignore[attr-defined]
    assert [one["stage"] for one in found] == ["RequestReceived", "ResponseComplete"]
    last = found[1]
    assert last["user"]["username"] == "kubernetes-admin" and last["verb"] == "create"
    assert last["responseStatus"]["code"] == 201 and last["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert last["requestObject"]["metadata"]["name"] == "audited" and last["requestURI"] == path


def test_the_audit_log_has_what_was_answered(lame: LiveKubernetes) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    lame.admin.ok("POST", path, {"metadata": {"name": "long"}, "data": {"a": "x" * 200_000}})

    def told(method: str, path: str, **headers: str) -> Any:
        answer = lame.admin.ask(method, path, headers=headers)
        return next(
            one for one in lame.events if one["auditID"] == answer.headers["audit-id"] and "responseStatus" in one
        )  # type: ignore[attr-defined]

    packed = told("GET", f"{path}/long", **{"Accept-Encoding": "gzip"})
    assert packed["responseObject"]["metadata"]["name"] == "long" and packed["responseStatus"]["code"] == 200
    failed = told("GET", f"{path}/none")
    assert failed["responseObject"]["kind"] == "Status" and failed["responseStatus"]["reason"] == "NotFound"
    gone = told("DELETE", f"{path}/long")
    assert gone["responseStatus"]["status"] == "Success" and gone["responseStatus"]["details"]["name"] == "long"


# Documents


def test_discovery(ns: Namespace) -> None:
    assert ns.admin.get("/api")["versions"] == ["v1"]
    groups = {one["name"] for one in ns.admin.get("/apis")["groups"]}
    assert {"apps", "batch", "rbac.authorization.k8s.io"} <= groups
    resources = {one["name"]: one for one in ns.admin.get("/apis/apps/v1")["resources"]}
    assert resources["deployments"]["shortNames"] == ["deploy"] and "deployments/scale" in resources
    asked = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    answer = ns.admin.ask("GET", "/apis", headers={"Accept": asked})
    assert answer.headers["content-type"] == asked and answer.json["kind"] == "APIGroupDiscoveryList"
    known = ns.admin.ask("GET", "/apis", headers={"Accept": asked, "If-None-Match": answer.headers["etag"]})
    assert (known.status, known.body) == (304, b"")


def test_openapi(ns: Namespace) -> None:
    index = ns.admin.get("/openapi/v3")["paths"]
    path = index["apis/apps/v1"]["serverRelativeURL"]
    patch = ns.admin.get(path)["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert APPLY_PATCH in patch["requestBody"]["content"]
    assert ns.admin.get("/openapi/v2")["swagger"] == "2.0"
    asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    packed = ns.admin.ask("GET", "/openapi/v2", headers={"Accept": asked})
    assert packed.status == 200 and packed.headers["content-type"].endswith("+protobuf")
    assert ns.admin.ask("GET", "/openapi/v3/apis/none/v1").status == 404


def test_keys_of_tokens(ns: Namespace) -> None:
    found = ns.admin.get("/.well-known/openid-configuration")
    assert found["issuer"] == "https://kubernetes.default.svc.cluster.local"
    assert ns.admin.get("/openid/v1/jwks")["keys"][0]["kty"]


def test_health(cluster: LiveKubernetes) -> None:
    nobody = cluster.nobody
    for path in ("/healthz", "/livez", "/readyz"):
        answer = nobody.ask("GET", path)
        assert (answer.status, answer.body) == (200, b"ok"), path
    for path in ("/livez/ping", "/readyz/etcd"):
        assert cluster.admin.ask("GET", path).body == b"ok", path
    told = nobody.ask("GET", "/readyz?verbose").body.decode()
    assert "[+]etcd ok\n" in told and told.endswith("readyz check passed\n")
    excluded = nobody.ask("GET", "/readyz?verbose&exclude=etcd&exclude=none").body.decode()
    assert "[+]etcd excluded: ok\n" in excluded and 'no matches for "none"' in excluded
    assert cluster.admin.ask("GET", "/livez/none").status == 404
    nobody.close()


def test_a_server_that_is_not_well(tmp_path: Path) -> None:
    with LiveKubernetes(tmp_path) as cluster:
        stream = cluster.admin.watch("/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Ddefault")
        cluster.loop.call_soon_threadsafe(cluster.store.close)
        assert [event["type"] for event in stream.rest()] == ["ADDED"]
        answer = cluster.admin.ask("GET", "/readyz")
        assert answer.status == 500 and b"[-]etcd failed: reason withheld" in answer.body
        assert cluster.admin.ask("GET", "/livez/ping").status == 200
        made = cluster.admin.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "x"}})
        assert made.told[:2] == (503, "ServiceUnavailable")


def test_numbers(ns: Namespace) -> None:
    ns.config("a")
    text = ns.admin.ask("GET", "/metrics").body.decode()
    labels = 'component="apiserver",group="",resource="configmaps",scope="namespace",subresource="",verb="POST"'
    made = f'apiserver_request_total{{{labels},version="v1",code="201"}}'
    line = next(one for one in text.splitlines() if one.startswith(made))
    assert int(line.rpartition(" ")[2]) >= 1
    assert f'apiserver_request_duration_seconds_bucket{{{labels},version="v1",le="+Inf"}}' in text
    assert 'apiserver_resource_objects{resource="core/configmaps"}' in text
    ns.create("secrets", {"metadata": {"name": "a"}})
    before = longrunning(text)
    stream = ns.admin.watch(ns.path("secrets") + "?watch=1")
    assert stream.told() == ("ADDED", "a")
    assert longrunning(ns.admin.ask("GET", "/metrics").body.decode()) == before + 1
    stream.close()


def longrunning(text: str) -> int:
    """Watches of Secrets, which other tests leave alone: what these have closed may not have ended yet."""
    lines = (one for one in text.splitlines() if one.startswith("apiserver_longrunning_requests{"))
    return sum(int(line.rpartition(" ")[2]) for line in lines if 'resource="secrets"' in line)


def test_a_status_is_json_whatever_was_accepted(ns: Namespace) -> None:
    answer = ns.admin.ask("GET", ns.path("configmaps", "none"), headers={"Accept": "application/yaml"})
    assert answer.status == 404 and json.loads(answer.body)["kind"] == "Status"

"""The behaviours of Kubernetes' conformance list for who one is and what one may do, said in our own words."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.support.kubernetes import LiveKubernetes, Namespace

REVIEWS = "/apis/authorization.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io/v1"


def account(ns: Namespace, name: str = "robot") -> str:
    """The user's name of a new service account."""
    ns.create("serviceaccounts", {"metadata": {"name": name}})
    return f"system:serviceaccount:{ns.name}:{name}"


def token_of(ns: Namespace, name: str = "robot", **spec: Any) -> str:
    found = ns.admin.ok("POST", ns.path("serviceaccounts", name, "token"), {"spec": spec})
    return str(found["status"]["token"])


def allow(ns: Namespace, user: str, verbs: list[str], resources: list[str], group: str = "") -> None:
    rules = [{"apiGroups": [group], "resources": resources, "verbs": verbs}]
    ns.create("roles", {"metadata": {"name": "r"}, "rules": rules}, RBAC)
    body = {
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
    }
    ns.create("rolebindings", body, RBAC)


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_tokens_of_service_accounts(ns: Namespace) -> None:
    """Service accounts: a token is its account's, for the audience and the time that were asked for."""
    user = account(ns)
    found = ns.cluster.bearer(token_of(ns)).ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    info = found["status"]["userInfo"]
    assert info["username"] == user
    assert info["groups"] == ["system:serviceaccounts", f"system:serviceaccounts:{ns.name}", "system:authenticated"]
    other = token_of(ns, audiences=["vault"], expirationSeconds=1200)
    said = claims(other)
    assert said["aud"] == ["vault"] and said["exp"] - said["iat"] == 1200 and said["sub"] == user
    assert ns.cluster.bearer(other).ask("GET", ns.path("pods")).status == 401


def test_a_token_ends_with_its_account(ns: Namespace) -> None:
    """Service accounts: once the account is gone, so is the token; a new account of that name is another one."""
    account(ns)
    token = token_of(ns)
    assert ns.cluster.bearer(token).ask("GET", ns.path("pods")).status == 403
    ns.admin.ok("DELETE", ns.path("serviceaccounts", "robot"))
    assert ns.cluster.bearer(token).ask("GET", ns.path("pods")).status == 401
    account(ns)
    assert ns.cluster.bearer(token).ask("GET", ns.path("pods")).status == 401


def test_a_token_ends_with_its_pod(ns: Namespace) -> None:
    """Service accounts: a token that is bound to a pod names it, and ends with it."""
    account(ns)
    spec = {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "i"}]}
    pod = ns.create("pods", {"metadata": {"name": "p"}, "spec": spec})
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": pod["metadata"]["uid"]}
    token = token_of(ns, boundObjectRef=bound)
    assert claims(token)["kubernetes.io"]["pod"] == {"name": "p", "uid": pod["metadata"]["uid"]}
    assert ns.cluster.bearer(token).ask("GET", ns.path("pods")).status == 403
    ns.admin.ok("DELETE", f"{ns.path('pods', 'p')}?gracePeriodSeconds=0")
    assert ns.cluster.bearer(token).ask("GET", ns.path("pods")).status == 401


def test_others_can_check_tokens(ns: Namespace) -> None:
    """Service accounts: issuer discovery leads to keys that a token names; a review tells whose it is."""
    user = account(ns)
    token = token_of(ns)
    document = ns.admin.get("/.well-known/openid-configuration")
    assert document["issuer"] == claims(token)["iss"] and document["jwks_uri"].endswith("/openid/v1/jwks")
    head = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert head["kid"] in [key["kid"] for key in ns.admin.get("/openid/v1/jwks")["keys"]]
    review = "/apis/authentication.k8s.io/v1/tokenreviews"
    found = ns.admin.ok("POST", review, {"spec": {"token": token}})["status"]
    assert found["authenticated"] and found["user"]["username"] == user
    assert not ns.admin.ok("POST", review, {"spec": {"token": "x" + token}})["status"].get("authenticated")


def test_reviews_of_access(ns: Namespace) -> None:
    """Subject reviews: what a user, the asker himself, and a user within a namespace may do."""
    user = account(ns)
    allow(ns, user, ["list"], ["configmaps"])
    asked = {"verb": "list", "resource": "configmaps", "namespace": ns.name}
    spec = {"user": user, "resourceAttributes": asked}
    assert ns.admin.ok("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": spec})["status"]["allowed"]
    path = f"{REVIEWS}/namespaces/{ns.name}/localsubjectaccessreviews"
    body = {"metadata": {"namespace": ns.name}, "spec": spec}
    assert ns.admin.ok("POST", path, body)["status"]["allowed"]
    denied = {**asked, "verb": "delete"}
    spec = {"user": user, "resourceAttributes": denied}
    assert not ns.admin.ok("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": spec})["status"]["allowed"]
    own = ns.cluster.bearer(token_of(ns))
    for one, wanted in ((asked, True), (denied, False)):
        body = {"spec": {"resourceAttributes": one}}
        assert own.ok("POST", f"{REVIEWS}/selfsubjectaccessreviews", body)["status"]["allowed"] is wanted
    rules = own.ok("POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": ns.name}})["status"]
    assert {"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]} in rules["resourceRules"]


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("GET", "configmaps/a", "get"),
        ("GET", "configmaps", "list"),
        ("GET", "configmaps?watch=1&timeoutSeconds=1", "watch"),
        ("POST", "configmaps", "create"),
        ("PUT", "configmaps/a", "update"),
        ("DELETE", "configmaps/a", "delete"),
        ("DELETE", "configmaps", "deletecollection"),
    ],
)
def test_each_verb_is_asked_for(ns: Namespace, method: str, path: str, verb: str) -> None:
    """RBAC: with all verbs but one that one is refused, by name; with it alone it is allowed."""
    user = account(ns)
    ns.config("a")
    others = [one for one in ("get", "list", "watch", "create", "update", "delete", "deletecollection") if one != verb]
    allow(ns, user, others, ["configmaps"])
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a" if method == "PUT" else "b"}}
    sent = body if method in ("POST", "PUT") else None
    robot = ns.cluster.bearer(token_of(ns))
    answer = robot.ask(method, ns.path(path), sent)
    assert answer.told[0] == 403 and f'User "{user}" cannot {verb} resource "configmaps"' in answer.told[2]
    rule = {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": [verb]}]}
    assert ns.admin.patch(ns.path("roles", "r", group=RBAC), rule).status == 200
    assert robot.ask(method, ns.path(path), sent).status < 300


def test_nobody_is_told_little(cluster: LiveKubernetes) -> None:
    """Anonymous: health and version are for everybody; resources are not."""
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert cluster.nobody.ask("GET", path).status == 200
    answer = cluster.nobody.ask("GET", "/api/v1/pods")
    assert answer.told[0] == 403 and 'User "system:anonymous" cannot list resource "pods"' in answer.told[2]


def test_in_the_name_of_another(ns: Namespace) -> None:
    """Impersonation: who may impersonate is seen as the other, with that one's rights and no more."""
    user = account(ns)
    allow(ns, user, ["get"], ["configmaps"])
    ns.config("a")
    acting = ns.admin.acting(impersonate_user=user)
    assert acting.ask("GET", ns.path("configmaps", "a")).status == 200
    assert acting.ask("DELETE", ns.path("configmaps", "a")).status == 403
    robot = ns.cluster.bearer(token_of(ns)).acting(impersonate_user="jane")
    answer = robot.ask("GET", ns.path("configmaps", "a"))
    assert answer.told[0] == 403 and "cannot impersonate" in answer.told[2]

"""Who may ask a kubelet: what is asked of the API server, and for how long its answers are good."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from corral.cluster.apiserver.certificates.issuing import new_authority, new_leaf
from corral.cluster.apiserver.certificates.renewal import Wanted
from corral.cluster.certificates import x509
from corral.cluster.kubelet.server import gate as gates
from corral.cluster.kubelet.server.asked import Asker, plan_asked, read_user
from corral.cluster.kubelet.server.gate import MOST_KEPT, Gate, Kept, Refused
from corral.http.message import Request
from corral.model.kubernetes.status import unavailable

Object = dict[str, Any]


PEM = new_authority("kubernetes", 0)
AUTHORITY = x509.from_pem(PEM)


class Reviews:
    """An API server's part: the token `good` is Jane's, who may get `nodes/stats` and nothing else."""

    def __init__(self) -> None:
        self.asked: list[Object] = []
        self.down = False

    async def __call__(self, review: Object) -> Object:
        self.asked.append(review)
        if self.down:
            raise unavailable("no")
        spec = review["spec"]
        if review["kind"] == "TokenReview":
            good = spec["token"] == "good"
            return {"status": {"authenticated": good, "user": {"username": "jane", "groups": ["dev"]} if good else {}}}
        wanted = spec["resourceAttributes"]
        assert wanted["name"] == "n1" and spec["groups"] == ["dev", "system:authenticated"]
        return {"status": {"allowed": (wanted["verb"], wanted["subresource"]) == ("get", "stats")}}


def request(path: str, token: str = "good", method: str = "GET") -> Request:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    made = SimpleNamespace(method=method, path=path, peer_certificate=b"")
    made.header = lambda name, default="": headers.get(name, default)
    return cast(Request, made)


async def test_answers_are_remembered_for_a_while() -> None:
    reviews, now = Reviews(), [1000.0]
    gate = Gate("n1", reviews, AUTHORITY, lambda: now[0])
    for _ in range(3):
        await gate.check(request("/stats/summary"))
    assert [one["kind"] for one in reviews.asked] == ["TokenReview", "SubjectAccessReview"]
    now[0] += 121  # the token is asked about again, not the right
    await gate.check(request("/stats/summary"))
    assert [one["kind"] for one in reviews.asked[2:]] == ["TokenReview"]
    now[0] += 300
    await gate.check(request("/stats/summary"))
    assert [one["kind"] for one in reviews.asked[3:]] == ["TokenReview", "SubjectAccessReview"]


async def test_who_may_not_is_told_what_was_missing() -> None:
    reviews = Reviews()
    gate = Gate("n1", reviews, AUTHORITY, lambda: 0.0)
    with pytest.raises(Refused, match=r"user=jane, verb=get, .*\[pods proxy\]") as refused:
        await gate.check(request("/pods"))
    assert refused.value.status == 403
    assert [one["spec"]["resourceAttributes"]["subresource"] for one in reviews.asked[1:]] == ["pods", "proxy"]
    for token in ("", "bad"):
        with pytest.raises(Refused, match="Unauthorized") as refused:
            await gate.check(request("/stats/summary", token))
        assert refused.value.status == 401


async def test_a_node_may_ask_whether_it_is_led_to_a_pod_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Asker("system:node:n2", groups=("system:nodes", "system:authenticated"))
    monkeypatch.setattr(gates, "user_of", lambda *_: node)
    down = Reviews()
    down.down = True
    gate = Gate("n1", down, AUTHORITY, lambda: 0.0)
    asked = request("/gone/10.244.1.2", "")
    asked.peer_certificate = b"x"
    await gate.check(asked)
    assert down.asked == []  # the API server is not needed for that
    for method, path in (("POST", "/gone/10.244.1.2"), ("GET", "/pods")):
        asked = request(path, "", method)
        asked.peer_certificate = b"x"
        with pytest.raises(Refused):
            await gate.check(asked)


async def test_who_has_a_certificate_of_an_authority_that_has_expired_is_nobody() -> None:
    """As with the API server: the handshake looks at no times, and a connection may outlive both."""
    signed = new_leaf(Wanted("system:node:n2", ("system:nodes",), client=True), PEM, 0)
    asked = request("/gone/10.244.1.2", "")
    asked.peer_certificate = x509.pem_to_der(signed)
    await Gate("n1", Reviews(), AUTHORITY, lambda: 1000.0).check(asked)
    expired = AUTHORITY._replace(not_after=999)
    gate = Gate("n1", Reviews(), expired, lambda: 1000.0)
    with pytest.raises(Refused, match="Unauthorized"):
        await gate.check(asked)
    assert gate.node_of(asked) == ""


async def test_nobody_gets_in_while_the_server_is_away() -> None:
    reviews = Reviews()
    reviews.down = True
    with pytest.raises(Refused) as refused:
        await Gate("n1", reviews, AUTHORITY, lambda: 0.0).check(request("/stats/summary"))
    assert refused.value.status == 500


@pytest.mark.parametrize(
    ("method", "path", "verb", "subresources"),
    [
        ("POST", "/exec/a/b/c", "create", ("proxy",)),
        ("GET", "/attach/a/b/c", "create", ("proxy",)),
        ("GET", "/portForward/a/b", "create", ("proxy",)),
        ("HEAD", "/healthz", "get", ("healthz", "proxy")),
        ("GET", "/runningpods/", "get", ("pods", "proxy")),
        ("GET", "/metrics/cadvisor", "get", ("metrics",)),
        ("GET", "//exec/a/b/c", "create", ("proxy",)),
        ("DELETE", "/", "delete", ("proxy",)),
    ],
)
def test_paths_in_the_words_of_authorization(method: str, path: str, verb: str, subresources: tuple[str, ...]) -> None:
    assert plan_asked(method, path) == (verb, subresources)


def test_nobody_is_behind_a_token_that_was_refused() -> None:
    assert read_user({"status": {"user": {"username": "jane"}}}) is None
    assert read_user({"status": {"authenticated": True, "user": {}}}) is None
    assert read_user({}) is None


def test_of_too_many_answers_the_oldest_goes() -> None:
    kept: Kept[int] = Kept(lambda: 0.0)
    for number in range(MOST_KEPT + 1):
        kept.put(number, number, 1.0)
    assert kept.get(0) is None and kept.get(1) == 1

"""Acting as somebody else: each part of the other needs a right."""

from __future__ import annotations

import pytest

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authorization.decision import Decision, Rules
from corral.cluster.apiserver.authorization.impersonation import impersonate, read_headers
from corral.http.body import Body
from corral.http.head import parse_head
from corral.http.message import Request
from corral.model.kubernetes.status import StatusError

BOSS = User("boss", groups=("system:authenticated",))
ASKED = Attributes(BOSS, "list", "", "v1", "pods", namespace="d")


def request(*headers: str) -> Request:
    lines = "".join(f"{line}\r\n" for line in headers)
    head = parse_head(f"GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    return Request(head, Body(None, lambda: None))


class Allowing:
    """Allows what is listed as `verb group/resource/subresource:name`, and remembers what it was asked."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed
        self.asked: list[str] = []

    def authorize(self, asked: Attributes) -> Decision:
        words = f"{asked.verb} {asked.group}/{asked.resource}/{asked.subresource}:{asked.name}"
        self.asked.append(words)
        return Decision(words in self.allowed or "*" in self.allowed)

    def rules_for(self, user: User, namespace: str) -> Rules:
        return Rules(())


def test_headers_say_whom() -> None:
    assert read_headers(request()) is None
    found = read_headers(
        request(
            *("Impersonate-User: jane", "Impersonate-Uid: 7", "Impersonate-Group: a", "Impersonate-Group: b, c"),
            *("Impersonate-Extra-Acme.io%2fScope: x", "Impersonate-Extra-Acme.io%2fScope: y"),
        )
    )
    assert found == User("jane", "7", ("a", "b, c"), {"acme.io/scope": ("x", "y")})
    utf8 = read_headers(request("Impersonate-User: jan\u00e9"))
    assert utf8 is not None and utf8.name == "jan\u00e9"
    with pytest.raises(StatusError) as refused:
        read_headers(request("Impersonate-Group: a"))
    assert refused.value.code == 400 and "without impersonating a user name" in refused.value.message


def test_the_older_way_needs_each_part() -> None:
    wanted = User("jane", "7", ("dev",), {"acme.io/scope": ("x",)})
    needed = ["impersonate /users/:jane", "impersonate authentication.k8s.io/uids/:7", "impersonate /groups/:dev"]
    needed.append("impersonate authentication.k8s.io/userextras/acme.io/scope:x")
    found = impersonate(wanted, ASKED, Allowing(*needed))
    assert found == (User("jane", "7", ("dev", "system:authenticated"), wanted.extra), "")
    for missing in needed:
        with pytest.raises(StatusError):
            impersonate(wanted, ASKED, Allowing(*(one for one in needed if one != missing)))


def test_the_refusal_is_that_of_the_first_way() -> None:
    with pytest.raises(StatusError) as refused:
        impersonate(User("jane"), ASKED, Allowing())
    assert refused.value.message == (
        'pods is forbidden: User "boss" cannot impersonate-on:user-info:list resource "pods" in API group "" '
        'in the namespace "d"'
    )
    with pytest.raises(StatusError) as refused:
        impersonate(User("jane"), ASKED, Allowing("impersonate-on:user-info:list /pods/:"))
    assert refused.value.message == (
        'users.authentication.k8s.io "jane" is forbidden: User "boss" cannot impersonate:user-info resource "users" '
        'in API group "authentication.k8s.io" at the cluster scope'
    )


def test_constrained_means_this_verb_only() -> None:
    allowed = ("impersonate-on:user-info:list /pods/:", "impersonate:user-info authentication.k8s.io/users/:jane")
    assert impersonate(User("jane"), ASKED, Allowing(*allowed)).constraint == "impersonate:user-info"
    deleting = Attributes(BOSS, "delete", "", "v1", "pods", namespace="d")
    with pytest.raises(StatusError):
        impersonate(User("jane"), deleting, Allowing(*allowed))


def test_nobody_becomes_a_master_in_the_constrained_way() -> None:
    authorizer = Allowing("*")
    found = impersonate(User("jane", groups=("system:masters",)), ASKED, authorizer)
    assert found.constraint == "" and "impersonate /groups/:system:masters" in authorizer.asked


def test_service_accounts_and_nodes() -> None:
    account, node = User("system:serviceaccount:d:web"), User("system:node:a")
    found = impersonate(account, ASKED, Allowing("impersonate /serviceaccounts/:web"))
    assert found.user.groups == ("system:serviceaccounts", "system:serviceaccounts:d", "system:authenticated")
    own = ("impersonate-on:arbitrary-node:list /pods/:", "impersonate:arbitrary-node authentication.k8s.io/nodes/:a")
    found = impersonate(node, ASKED, Allowing(*own))
    assert (found.user.groups, found.constraint) == (
        ("system:nodes", "system:authenticated"),
        "impersonate:arbitrary-node",
    )
    collector = User("system:serviceaccount:d:collector", extra={"authentication.kubernetes.io/node-name": ("a",)})
    asked = Attributes(collector, "list", "", "v1", "pods")
    theirs = (
        "impersonate-on:associated-node:list /pods/:",
        "impersonate:associated-node authentication.k8s.io/nodes/:*",
    )
    assert impersonate(node, asked, Allowing(*theirs)).constraint == "impersonate:associated-node"
    with pytest.raises(StatusError):
        impersonate(User("system:node:b"), asked, Allowing(*theirs))


def test_anonymous_is_not_authenticated() -> None:
    found = impersonate(User("system:anonymous"), ASKED, Allowing("impersonate /users/:system:anonymous"))
    assert found.user.groups == ("system:unauthenticated",)
    named = User("jane", groups=("system:unauthenticated",))
    assert impersonate(named, ASKED, Allowing("*")).user.groups == ("system:unauthenticated",)


@pytest.mark.parametrize("extra", [{"": ("x",)}, {"plain": ("x",)}, {"acme.io/a": ("",)}])
def test_odd_extras_need_the_older_way(extra: dict[str, tuple[str, ...]]) -> None:
    assert impersonate(User("jane", extra=extra), ASKED, Allowing("*")).constraint == ""

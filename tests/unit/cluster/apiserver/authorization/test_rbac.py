"""Roles and bindings as they come and go; nobody grants what they do not have."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authorization.decision import Decision, refusal
from corral.cluster.apiserver.authorization.defaults.reconcile import plan_defaults
from corral.cluster.apiserver.authorization.escalation import check_binding, check_role
from corral.cluster.apiserver.authorization.rbac import GROUP, Rbac
from corral.cluster.apiserver.authorization.union import Union, default
from corral.model.kubernetes.status import StatusError
from tests.support.lookup import MemoryLookup, named

JANE = User("jane", groups=("dev", "system:authenticated"))
PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}


def role(name: str, *rules: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    return named(name, namespace, kind="Role" if namespace else "ClusterRole", rules=list(rules))


def binding(name: str, of: str, *subjects: dict[str, Any], namespace: str = "", kind: str = "") -> dict[str, Any]:
    reference = {"apiGroup": GROUP, "kind": kind or ("Role" if namespace else "ClusterRole"), "name": of}
    made = "RoleBinding" if namespace else "ClusterRoleBinding"
    return named(name, namespace, kind=made, roleRef=reference, subjects=list(subjects))


def user(name: str) -> dict[str, Any]:
    return {"kind": "User", "apiGroup": GROUP, "name": name}


def ask(verb: str = "get", plural: str = "pods", namespace: str = "", who: User = JANE, **rest: Any) -> Attributes:
    return Attributes(who, verb, resource=plural, namespace=namespace, **rest)


@pytest.fixture
def lookup() -> MemoryLookup:
    return MemoryLookup()


def test_rights_follow_roles_and_bindings(lookup: MemoryLookup) -> None:
    rbac = Rbac(lookup)
    assert not rbac.authorize(ask()).allowed
    lookup.put(GROUP, "clusterrolebindings", binding("b", "reader", user("jane")))
    refused = rbac.authorize(ask())
    assert refused == Decision(False, 'RBAC: clusterrole.rbac.authorization.k8s.io "reader" not found')
    lookup.put(GROUP, "clusterroles", role("reader", PODS))
    text = 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to User "jane"'
    assert rbac.authorize(ask()) == Decision(True, text)
    lookup.put(GROUP, "clusterroles", role("reader", {**PODS, "verbs": ["list"]}))
    assert not rbac.authorize(ask()).allowed and rbac.authorize(ask("list")).allowed
    lookup.put(GROUP, "clusterrolebindings", binding("b", "reader", user("kim")))
    assert not rbac.authorize(ask("list")).allowed
    assert rbac.authorize(ask("list", who=User("kim"))).allowed
    lookup.take(GROUP, "clusterrolebindings", "", "b")
    assert not rbac.authorize(ask("list", who=User("kim"))).allowed


def test_what_is_there_before_is_seen(lookup: MemoryLookup) -> None:
    lookup.put(GROUP, "roles", role("r", PODS, namespace="a"))
    lookup.put(GROUP, "rolebindings", binding("b", "r", {"kind": "Group", "name": "dev"}, namespace="a"))
    decision = Rbac(lookup).authorize(ask(namespace="a"))
    assert decision.reason == 'RBAC: allowed by RoleBinding "b/a" of Role "r" to Group "dev"'


def test_a_namespaces_rights_end_with_it(lookup: MemoryLookup) -> None:
    rbac = Rbac(lookup)
    lookup.put(GROUP, "clusterroles", role("reader", PODS))
    lookup.put(GROUP, "rolebindings", binding("b", "reader", user("jane"), namespace="a", kind="ClusterRole"))
    assert rbac.authorize(ask(namespace="a")).allowed
    for namespace in ("b", ""):
        assert not rbac.authorize(ask(namespace=namespace)).allowed


def test_service_accounts_are_subjects_of_their_own_namespace_unless_said_otherwise(lookup: MemoryLookup) -> None:
    rbac = Rbac(lookup)
    lookup.put(GROUP, "clusterroles", role("reader", PODS))
    here, there = {"kind": "ServiceAccount", "name": "x"}, {"kind": "ServiceAccount", "name": "y", "namespace": "n"}
    lookup.put(GROUP, "rolebindings", binding("b", "reader", here, there, namespace="a", kind="ClusterRole"))
    lookup.put(GROUP, "clusterrolebindings", binding("c", "reader", here))
    for name, allowed in (("a:x", True), ("n:y", True), ("n:x", False), (":x", False)):
        who = User(f"system:serviceaccount:{name}")
        assert rbac.authorize(ask(namespace="a", who=who)).allowed is allowed, name


@pytest.mark.parametrize(
    ("rule", "asked", "allowed"),
    [
        ({"resources": ["pods"]}, ask(subresource="log"), False),
        ({"resources": ["pods/log"]}, ask(subresource="log"), True),
        ({"resources": ["pods/log"]}, ask(), False),
        ({"resources": ["*/log"]}, ask(subresource="log"), True),
        ({"resources": ["pods/*"]}, ask(subresource="log"), False),
        ({"resources": ["*"]}, ask(subresource="log"), True),
        ({"resourceNames": ["a"]}, ask(name="a"), True),
        ({"resourceNames": ["a"]}, ask(name="b"), False),
        ({"resourceNames": ["a"]}, ask("list"), False),
        ({"apiGroups": ["apps"]}, ask(), False),
        ({"apiGroups": ["*"]}, ask(group="apps"), True),
        ({"verbs": ["*"]}, ask("delete"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/healthz/*"]}, Attributes(JANE, "get", path="/healthz/etcd"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/healthz/*"]}, Attributes(JANE, "get", path="/healthz"), False),
        ({"verbs": ["get"]}, Attributes(JANE, "get", path="/pods"), False),
    ],
)
def test_what_a_rule_allows(lookup: MemoryLookup, rule: dict[str, Any], asked: Attributes, allowed: bool) -> None:
    lookup.put(GROUP, "clusterroles", role("r", {**PODS, **rule}))
    lookup.put(GROUP, "clusterrolebindings", binding("b", "r", user("jane")))
    assert Rbac(lookup).authorize(asked).allowed is allowed


def test_refusals_read_as_in_kubernetes() -> None:
    assert refusal(ask("list", namespace="d"), "x").message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "d": x'
    )
    log = ask(name="p", namespace="d", subresource="log")
    assert refusal(log).message == (
        'pods "p" is forbidden: User "jane" cannot get resource "pods/log" in API group "" in the namespace "d"'
    )
    found = refusal(Attributes(User("<b>"), "get", path="/x"))
    assert found.message == 'forbidden: User "&lt;b&gt;" cannot get path "/x"' and found.code == 403


@pytest.fixture
def server(lookup: MemoryLookup) -> tuple[Union, Rbac]:
    """With the default roles, and jane, who may edit roles in `a` and read pods there."""
    for plural, found in plan_defaults(lookup):
        lookup.put(GROUP, plural, found)
    editing = {"verbs": ["*"], "apiGroups": [GROUP], "resources": ["roles", "rolebindings"]}
    lookup.put(GROUP, "roles", role("limited", PODS, editing, namespace="a"))
    lookup.put(GROUP, "rolebindings", binding("limited", "limited", user("jane"), namespace="a"))
    return default(lookup)


def test_nobody_grants_what_they_do_not_have(server: tuple[Union, Rbac]) -> None:
    check_role(JANE, role("new", PODS, namespace="a"), None, *server)
    secrets = {"verbs": ["list", "get"], "apiGroups": [""], "resources": ["secrets"]}
    urls = {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}
    with pytest.raises(StatusError) as refused:
        check_role(JANE, role("new", PODS, secrets, urls, namespace="b"), None, *server)
    assert refused.value.message == (
        'roles.rbac.authorization.k8s.io "new" is forbidden: user "jane" (groups=["dev" "system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["list" "get"]}\n'
        '{NonResourceURLs:["/metrics"], Verbs:["get"]}'
    )


def test_the_verb_star_on_roles_includes_escalate(server: tuple[Union, Rbac]) -> None:
    secrets = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}
    check_role(JANE, role("new", secrets, namespace="a"), None, *server)
    check_binding(JANE, binding("new", "cluster-admin", namespace="a", kind="Role"), None, *server)


def test_bindings_are_checked_like_the_role_they_bind(server: tuple[Union, Rbac], lookup: MemoryLookup) -> None:
    lookup.put(GROUP, "roles", role("limited", PODS, namespace="a"))
    lookup.put(GROUP, "roles", role("reader", PODS, namespace="a"))
    check_binding(JANE, binding("new", "reader", namespace="a"), None, *server)
    with pytest.raises(StatusError) as refused:
        check_binding(JANE, binding("new", "view", namespace="a", kind="ClusterRole"), None, *server)
    assert refused.value.message.startswith('rolebindings.rbac.authorization.k8s.io "new" is forbidden: user "jane"')
    with pytest.raises(StatusError, match=r'^roles\.rbac\.authorization\.k8s\.io "nothing" not found'):
        check_binding(JANE, binding("new", "nothing", namespace="a"), None, *server)
    bind = {"verbs": ["bind"], "apiGroups": [GROUP], "resources": ["clusterroles"], "resourceNames": ["view"]}
    lookup.put(GROUP, "roles", role("limited", bind, namespace="a"))
    check_binding(JANE, binding("new", "view", namespace="a", kind="ClusterRole"), None, *server)


def test_an_aggregation_rule_needs_everything(server: tuple[Union, Rbac], lookup: MemoryLookup) -> None:
    gathering = {**role("new"), "aggregationRule": {"clusterRoleSelectors": [{}]}}
    with pytest.raises(StatusError, match="must have cluster-admin privileges to use the aggregationRule"):
        check_role(JANE, gathering, None, *server)
    check_role(User("root", groups=("system:masters",)), gathering, None, *server)
    lookup.put(GROUP, "clusterrolebindings", binding("all", "cluster-admin", user("jane")))
    check_role(JANE, gathering, None, *server)


def test_escalate_for_a_name_is_for_changes(server: tuple[Union, Rbac], lookup: MemoryLookup) -> None:
    named_one = {"verbs": ["escalate"], "apiGroups": [GROUP], "resources": ["clusterroles"], "resourceNames": ["x"]}
    lookup.put(GROUP, "clusterroles", role("escalating", named_one))
    lookup.put(GROUP, "clusterrolebindings", binding("e", "escalating", user("jane")))
    check_role(JANE, role("x", PODS), role("x"), *server)
    for new, old in ((role("x", PODS), None), (role("y", PODS), role("y"))):
        with pytest.raises(StatusError):
            check_role(JANE, new, old, *server)


def test_the_collector_may_take_finalizers_away(server: tuple[Union, Rbac]) -> None:
    old = named("x", "b", kind="Role", rules=[PODS], metadata={"finalizers": ["f"]})
    check_role(JANE, named("x", "b", kind="Role", rules=[PODS]), old, *server)
    with pytest.raises(StatusError):
        check_role(JANE, named("x", "b", kind="Role", rules=[PODS, PODS]), old, *server)


def test_masters_may_everything_and_reasons_of_all_are_told(server: tuple[Union, Rbac]) -> None:
    union, _ = server
    assert union.authorize(ask("delete", "nodes", who=User("x", groups=("system:masters",)))).allowed
    node = User("system:node:a", groups=("system:nodes",))
    refused = union.authorize(ask("get", "secrets", "d", node, name="s"))
    assert refused == Decision(False, "no relationship found between node 'a' and this object")

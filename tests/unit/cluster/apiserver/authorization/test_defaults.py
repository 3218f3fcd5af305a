"""The default roles: what people and components may, and how a cluster's own are kept."""

from __future__ import annotations

import pytest

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authentication.chain import NOBODY, with_groups
from corral.cluster.apiserver.authorization.defaults import objects
from corral.cluster.apiserver.authorization.defaults.notation import AUTO_UPDATE
from corral.cluster.apiserver.authorization.defaults.reconcile import plan_defaults
from corral.cluster.apiserver.authorization.rbac import GROUP
from corral.cluster.apiserver.authorization.union import Union, default
from corral.model.kubernetes.aggregation import plan_rules
from tests.support.lookup import MemoryLookup, named


@pytest.fixture
def lookup() -> MemoryLookup:
    found = MemoryLookup()
    for plural, made in plan_defaults(found):
        found.put(GROUP, plural, made)
    return found


@pytest.fixture
def union(lookup: MemoryLookup) -> Union:
    return default(lookup)[0]


def may(union: Union, who: User, verb: str, resource: str, namespace: str = "", name: str = "") -> bool:
    """`resource` as group/plural[/subresource], or a path."""
    if resource.startswith("/"):
        return union.authorize(Attributes(who, verb, path=resource)).allowed
    group, plural, *sub = resource.split("/")
    group = "" if group == "core" else group
    asked = Attributes(who, verb, group, "v1", plural, "".join(sub), namespace, name)
    return union.authorize(asked).allowed


def test_a_second_start_writes_nothing(lookup: MemoryLookup) -> None:
    assert plan_defaults(lookup) == []


def test_everything_is_bound_to_something_that_is_there(lookup: MemoryLookup) -> None:
    roles = {(one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in objects.roles()}
    roles |= {("", one["metadata"]["name"]) for one in objects.cluster_roles()}
    for one in (*objects.cluster_role_bindings(), *objects.role_bindings()):
        reference = one["roleRef"]
        home = one["metadata"].get("namespace", "") if reference["kind"] == "Role" else ""
        assert (home, reference["name"]) in roles, one
    names = [one["metadata"]["name"] for one in objects.cluster_roles()]
    assert len(names) == len(set(names)) and len(names) > 60


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        ("view", "list", "core/pods", True),
        ("view", "get", "core/secrets", False),
        ("view", "create", "core/pods", False),
        ("view", "get", "apps/deployments/status", True),
        ("view", "get", "rbac.authorization.k8s.io/roles", False),
        ("edit", "create", "apps/deployments", True),
        ("edit", "list", "core/pods", True),
        ("edit", "get", "core/secrets", True),
        ("edit", "create", "core/pods/exec", True),
        ("edit", "create", "core/serviceaccounts/token", True),
        ("edit", "update", "core/endpoints", False),
        ("edit", "create", "rbac.authorization.k8s.io/roles", False),
        ("edit", "update", "core/resourcequotas", False),
        ("admin", "create", "rbac.authorization.k8s.io/rolebindings", True),
        ("admin", "delete", "apps/deployments", True),
        ("admin", "create", "authorization.k8s.io/localsubjectaccessreviews", True),
        ("admin", "update", "core/namespaces", False),
    ],
)
def test_view_edit_admin(lookup: MemoryLookup, role: str, verb: str, resource: str, allowed: bool) -> None:
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}
    subjects = [{"kind": "User", "name": "jane"}]
    lookup.put(GROUP, "rolebindings", named("b", "d", roleRef=reference, subjects=subjects))
    union = default(lookup)[0]
    assert may(union, User("jane"), verb, resource, "d") is allowed
    assert not may(union, User("jane"), verb, resource, "other")


def test_those_without_credentials_see_health_and_version_only(union: Union) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert may(union, NOBODY, "get", path)
    for path in ("/", "/api", "/apis", "/metrics", "/openapi/v3", "/healthz/etcd", "/openid/v1/jwks"):
        assert not may(union, NOBODY, "get", path)
    assert not may(union, NOBODY, "list", "core/pods", "default")


def test_everybody_else_may_discover_and_ask_about_themselves(union: Union) -> None:
    jane = with_groups(User("jane"))
    for path in ("/api", "/apis/apps/v1", "/openapi/v3/apis/apps/v1", "/version"):
        assert may(union, jane, "get", path)
    assert may(union, jane, "create", "authorization.k8s.io/selfsubjectaccessreviews")
    assert may(union, jane, "create", "authentication.k8s.io/selfsubjectreviews")
    assert not may(union, jane, "create", "authorization.k8s.io/subjectaccessreviews")
    assert not may(union, jane, "get", "/metrics")


def test_components(union: Union) -> None:
    scheduler, manager = User("system:kube-scheduler"), User("system:kube-controller-manager")
    assert may(union, scheduler, "create", "core/pods/binding", "d")
    assert not may(union, scheduler, "get", "core/secrets", "d")
    assert may(union, scheduler, "update", "coordination.k8s.io/leases", "kube-system", "kube-scheduler")
    assert not may(union, scheduler, "update", "coordination.k8s.io/leases", "kube-system", "other")
    assert may(union, manager, "watch", "example.com/things")
    deployments = User("system:serviceaccount:kube-system:deployment-controller")
    assert may(union, deployments, "create", "apps/replicasets", "d")
    assert not may(union, deployments, "create", "core/pods", "d")
    assert may(union, User("system:serviceaccount:kube-system:bootstrap-signer"), "list", "core/secrets", "kube-system")
    assert may(union, User("x", groups=("system:serviceaccounts",)), "get", "/openid/v1/jwks")


def test_what_was_taken_is_put_back_and_what_was_added_stays(lookup: MemoryLookup) -> None:
    view = lookup.get(GROUP, "clusterroles", "", "system:aggregate-to-view")
    added = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["things"]}
    assert view is not None
    meta = {**view["metadata"], "labels": {"mine": "1"}, "resourceVersion": "7"}
    lookup.put(GROUP, "clusterroles", {**view, "metadata": meta, "rules": [added, *view["rules"][1:]]})
    ((plural, made),) = plan_defaults(lookup)
    assert plural == "clusterroles" and made["metadata"]["resourceVersion"] == "7"
    assert made["metadata"]["labels"]["mine"] == "1" and made["rules"][0] == added
    lookup.put(GROUP, plural, made)
    assert plan_defaults(lookup) == []
    assert may(default(lookup)[0], User("x", groups=("system:masters",)), "get", "core/pods")


def test_who_does_not_want_it_is_left_alone(lookup: MemoryLookup) -> None:
    annotations = {AUTO_UPDATE: "false"}
    lookup.put(GROUP, "clusterroles", named("view", kind="ClusterRole", metadata={"annotations": annotations}))
    empty = named("system:discovery", metadata={"annotations": annotations}, roleRef={}, subjects=[])
    lookup.put(GROUP, "clusterrolebindings", empty)
    assert plan_defaults(lookup) == []


def test_a_binding_to_another_role_is_made_anew(lookup: MemoryLookup) -> None:
    other = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "view"}
    lookup.put(GROUP, "clusterrolebindings", named("cluster-admin", uid="old", roleRef=other, subjects=[]))
    ((_, made),) = plan_defaults(lookup)
    assert made["roleRef"]["name"] == "cluster-admin" and made["metadata"]["uid"] == "old"
    assert "resourceVersion" not in made["metadata"]


def test_a_role_that_joins_an_aggregate_counts(lookup: MemoryLookup) -> None:
    rules = [{"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["things"]}]
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    lookup.put(GROUP, "clusterroles", named("things", rules=rules, metadata={"labels": labels}))
    everything = lookup.list(GROUP, "clusterroles")
    view = lookup.get(GROUP, "clusterroles", "", "view")
    assert view is not None
    planned = plan_rules(view, everything)
    assert planned is not None and rules[0] in planned and len(planned) == len(view["rules"]) + 1
    assert plan_rules({**view, "rules": planned}, everything) is None

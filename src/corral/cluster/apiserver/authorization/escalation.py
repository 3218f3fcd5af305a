"""Nobody grants what they do not have: checks for writes of roles and bindings.

`check_role` and `check_binding` are called with the object as it would be stored, after admission has changed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from corral.cluster.apiserver.attributes import MASTERS_GROUP, Attributes, User
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.authorization.rbac import GROUP, Rbac
from corral.cluster.apiserver.authorization.rules import Rule, compact, describe, uncovered
from corral.cluster.apiserver.gotexts import quoted
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import forbidden

_EVERYTHING: Final[tuple[Rule, ...]] = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)
_AGGREGATION: Final = "must have cluster-admin privileges to use the aggregationRule"
_COLLECTED: Final = ("finalizers", "ownerReferences", "managedFields", "resourceVersion", "generation")


def check_role(user: User, new: Object, old: Object | None, authorizer: Authorizer, rbac: Rbac) -> None:
    """A Role or ClusterRole that is created (`old` is None) or changed. StatusError 403."""
    name, namespace, plural = _place(new)
    asked_name = name if old is not None else ""  # a request that creates has no name
    if MASTERS_GROUP in user.groups or _may(authorizer, user, "escalate", plural, namespace, asked_name):
        return
    if old is not None and only_for_collection(new, old):
        return
    cause = missing_rights(user, new.get("rules") or (), namespace, rbac)
    if not cause and (_aggregates(new) or _aggregates(old or {})) and missing_rights(user, _EVERYTHING, "", rbac):
        cause = _AGGREGATION
    if cause:
        raise forbidden(plural, name, cause, GROUP)


def check_binding(user: User, new: Object, old: Object | None, authorizer: Authorizer, rbac: Rbac) -> None:
    """A RoleBinding or ClusterRoleBinding that is created or changed. StatusError 403, 404 (no such role)."""
    name, namespace, plural = _place(new)
    reference = new["roleRef"]
    roles = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
    if MASTERS_GROUP in user.groups or _may(authorizer, user, "bind", roles, namespace, reference.get("name", "")):
        return
    if old is not None and only_for_collection(new, old):
        return
    cause = missing_rights(user, rbac.rules_of(reference, namespace), namespace, rbac)
    if cause:
        raise forbidden(plural, name, cause, GROUP)


def missing_rights(user: User, wanted: Iterable[Rule], namespace: str, rbac: Rbac) -> str:
    """What of `wanted` the user does not have in the namespace, as a sentence; "" when nothing."""
    owned = rbac.rules_for(user, namespace)
    missing = uncovered(owned.rules, wanted)
    return plan_message(user, missing, owned.error) if missing else ""


def plan_message(user: User, missing: Iterable[Rule], error: str = "") -> str:
    """Pure: who lacks what.

    >>> pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    >>> print(plan_message(User("jane", groups=("dev",)), [pods]))
    user "jane" (groups=["dev"]) is attempting to grant RBAC permissions not currently held:
    {APIGroups:[""], Resources:["pods"], Verbs:["get"]}
    """
    listed = sorted({describe(rule) for rule in compact(missing)})
    who = f"user {quoted([user.name])[1:-1]} (groups={quoted(user.groups)})"
    message = f"{who} is attempting to grant RBAC permissions not currently held:\n" + "\n".join(listed)
    return f"{message}; resolution errors: [{error}]" if error else message


def only_for_collection(new: Object, old: Object) -> bool:
    """Pure: whether an update changes nothing but what the garbage collector changes so that the object goes.

    >>> role = {"metadata": {"name": "a", "finalizers": ["f"]}, "rules": []}
    >>> only_for_collection({"metadata": {"name": "a"}, "rules": []}, role), only_for_collection(role, role)
    (True, True)
    >>> only_for_collection({"metadata": {"name": "a"}, "rules": [{}]}, role)
    False
    """
    return _without_collected(new) == _without_collected(old)


def _without_collected(found: Object) -> Object:
    meta = {key: value for key, value in found["metadata"].items() if key not in _COLLECTED}
    return {**found, "metadata": meta}


def _may(authorizer: Authorizer, user: User, verb: str, plural: str, namespace: str, name: str) -> bool:
    asked = Attributes(user, verb, GROUP, "*", plural, namespace=namespace, name=name)
    return authorizer.authorize(asked).allowed


def _aggregates(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _place(found: Object) -> tuple[str, str, str]:
    """(name, namespace, resource)"""
    meta = found["metadata"]
    return meta.get("name", ""), meta.get("namespace") or "", found["kind"].lower() + "s"

"""What becomes of the default roles and bindings at each start: what is missing is put back, what was added stays."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from corral.cluster.apiserver.authorization.defaults import objects
from corral.cluster.apiserver.authorization.defaults.notation import AUTO_UPDATE
from corral.cluster.apiserver.authorization.rules import uncovered
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.aggregation import plan_rules
from corral.model.kubernetes.kind import Object

GROUP = "rbac.authorization.k8s.io"


def plan_defaults(lookup: Lookup) -> list[tuple[str, Object]]:
    """(plural, object) of all that must be written, roles before bindings; empty when all is in order.

    An object with a resourceVersion is an update, one without is created. Aggregated roles come with their rules, so
    that a new cluster needs no controller to have an `admin`.
    """
    wanted = {
        "clusterroles": objects.cluster_roles(),
        "roles": objects.roles(),
        "clusterrolebindings": objects.cluster_role_bindings(),
        "rolebindings": objects.role_bindings(),
    }
    due: list[tuple[str, Object]] = []
    for plural, defaults in wanted.items():
        plan = plan_role if plural.endswith("roles") else plan_binding
        for default in defaults:
            meta = default["metadata"]
            made = plan(lookup.get(GROUP, plural, meta.get("namespace", ""), meta["name"]), default)
            if made is not None:
                due.append((plural, made))
    _aggregate(due, lookup.list(GROUP, "clusterroles"))
    return due


def _aggregate(due: list[tuple[str, Object]], present: Iterable[Object]) -> None:
    """In place: the rules of aggregated roles that are due."""
    known = {one["metadata"]["name"]: one for one in present}
    known.update((one["metadata"]["name"], one) for plural, one in due if plural == "clusterroles")
    for _ in range(3):  # view goes into edit, edit into admin
        for plural, made in due:
            rules = plan_rules(made, known.values()) if plural == "clusterroles" else None
            if rules is not None:
                made["rules"] = rules


def plan_role(present: Object | None, wanted: Object) -> Object | None:
    """Pure: the role as it must be written; None when that is not needed. Rules are added, never taken away.

    >>> rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]
    >>> wanted = {"metadata": {"name": "a"}, "rules": rules}
    >>> plan_role({"metadata": {"name": "a"}, "rules": []}, wanted)["rules"] == rules, plan_role(wanted, wanted)
    (True, None)
    >>> plan_role({"metadata": {"annotations": {AUTO_UPDATE: "false"}}, "rules": []}, wanted)
    """
    if present is None:
        return copy.deepcopy(wanted)
    made = _with_metadata(present, wanted)
    if made is None:
        return None
    has, rules = present.get("rules") or [], wanted.get("rules") or []
    missing = uncovered(has, rules) if has != rules else []  # at most starts they are as they were made
    if missing:
        made["rules"] = [*has, *missing]
    _reconcile_aggregation(made, wanted)
    return None if made == present else copy.deepcopy(made)


def _reconcile_aggregation(made: Object, wanted: Object) -> None:
    """In place."""
    if "aggregationRule" not in wanted:
        made.pop("aggregationRule", None)
        return
    has = (made.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    missing = [one for one in wanted["aggregationRule"]["clusterRoleSelectors"] if one not in has]
    if missing:
        made["aggregationRule"] = {"clusterRoleSelectors": [*has, *missing]}


def plan_binding(present: Object | None, wanted: Object) -> Object | None:
    """Pure: the binding as it must be written; None when that is not needed. Subjects are added, never taken away.

    A binding to another role is made anew, as its roleRef cannot change: it comes without a resourceVersion and with
    the uid of the old one, which must be deleted first.

    >>> wanted = {"metadata": {"name": "a"}, "roleRef": {"name": "r"}, "subjects": [{"kind": "User", "name": "x"}]}
    >>> plan_binding({**wanted, "subjects": []}, wanted)["subjects"], plan_binding(wanted, wanted)
    ([{'kind': 'User', 'name': 'x'}], None)
    """
    if present is None:
        return copy.deepcopy(wanted)
    made = _with_metadata(present, wanted)
    if made is None:
        return None
    if present["roleRef"] != wanted["roleRef"]:
        made = copy.deepcopy(wanted)
        made["metadata"]["uid"] = present["metadata"].get("uid", "")
        return made
    has = present.get("subjects") or []
    missing = [one for one in wanted.get("subjects") or () if one not in has]
    if missing:
        made["subjects"] = [*has, *missing]
    return None if made == present else copy.deepcopy(made)


def _with_metadata(present: Object, wanted: Object) -> Object | None:
    """`present` with the labels and annotations that are wanted, too, in parts the same objects; None: its owner wants
    it left alone."""
    annotations: Mapping[str, Any] = present["metadata"].get("annotations") or {}
    if annotations.get(AUTO_UPDATE) == "false":
        return None
    made = {**present, "metadata": {**present["metadata"]}}
    for key in ("annotations", "labels"):
        merged = {**(wanted["metadata"].get(key) or {}), **(present["metadata"].get(key) or {})}
        if merged:
            made["metadata"][key] = merged
    return made

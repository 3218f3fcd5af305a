"""Roles and bindings. Pure. Follows pkg/apis/rbac/validation; that nobody gives what he hasn't is checked elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Column, Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, CREATED_AT, column, wide
from corral.model.kubernetes.kinds.checks import Problems, dns_subdomain, each, label_selector, listed
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill_empty,
    indexed,
    objects,
    part,
    same,
    text,
    texts,
)
from corral.model.kubernetes.problems import invalid, not_supported, required

GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def _rules(role: Object, namespaced: bool) -> Problems:
    for at, rule in indexed(role, "rules", "rules"):
        yield from check_rule(rule, namespaced, at)


def check_rule(rule: Object, namespaced: bool, path: str) -> Problems:
    """
    >>> [str(one) for one in check_rule({"verbs": ["get"], "apiGroups": [""]}, True, "rules[0]")]
    ['rules[0].resources: Required value: resource rules must supply at least one resource']
    """
    if not texts(rule, "verbs"):
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    urls = texts(rule, "nonResourceURLs")
    if urls:
        if namespaced:
            yield invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if any(texts(rule, key) for key in ("apiGroups", "resources", "resourceNames")):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(f"{path}.nonResourceURLs", urls, detail)
        return
    if not texts(rule, "apiGroups"):
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not texts(rule, "resources"):
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def _cluster_role(role: Object) -> Problems:
    yield from _rules(role, namespaced=False)
    rule = role.get("aggregationRule")
    if isinstance(rule, dict):
        path = "aggregationRule.clusterRoleSelectors"
        if not objects(rule, "clusterRoleSelectors"):
            yield required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(objects(rule, "clusterRoleSelectors")):
            yield from label_selector({"selector": selector}, "selector", f"{path}[{index}]")


ROLE = Kind(
    validate=listed(lambda role: _rules(role, namespaced=True)),
    validate_name=names.path_segment,
    has_generation=False,
    columns=(CREATED_AT,),
    allow_create_on_update=True,
)
CLUSTER_ROLE = Kind(
    validate=listed(_cluster_role),
    validate_name=names.path_segment,
    has_generation=False,
    columns=(CREATED_AT,),
    allow_create_on_update=True,
)


def _default_binding(binding: Object) -> None:
    """In place: users, groups and roles are of this group; service accounts of the core group."""
    fill_empty(ensure(binding, "roleRef"), "apiGroup", GROUP)
    for subject in objects(binding, "subjects"):
        if text(subject, "kind") in ("User", "Group"):
            fill_empty(subject, "apiGroup", GROUP)


def _binding(binding: Object, namespaced: bool) -> Problems:
    ref = part(binding, "roleRef")
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if text(ref, "apiGroup") != GROUP:
        yield not_supported("roleRef.apiGroup", text(ref, "apiGroup"), (GROUP,))
    if text(ref, "kind") not in kinds:
        yield not_supported("roleRef.kind", text(ref, "kind"), kinds)
    if name := text(ref, "name"):
        yield from each("roleRef.name", name, names.path_segment(name))
    else:
        yield required("roleRef.name")
    for at, subject in indexed(binding, "subjects", "subjects"):
        yield from _subject(subject, namespaced, at)


def _subject(subject: Object, namespaced: bool, path: str) -> Problems:
    kind, name, group = text(subject, "kind"), text(subject, "name"), text(subject, "apiGroup")
    if not name:
        yield required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            yield from each(f"{path}.name", name, dns_subdomain(name))
        if group:
            yield not_supported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not text(subject, "namespace"):
            yield required(f"{path}.namespace")
    elif kind not in _SUBJECTS:
        yield not_supported(f"{path}.kind", kind, _SUBJECTS)
    elif group != GROUP:
        yield not_supported(f"{path}.apiGroup", group, (GROUP,))


def _binding_update(new: Object, old: Object) -> Problems:
    if not same(part(new, "roleRef"), part(old, "roleRef")):
        yield invalid("roleRef", part(new, "roleRef"), "cannot change roleRef")


def _role_of(binding: Object) -> str:
    return f"{text(part(binding, 'roleRef'), 'kind')}/{text(part(binding, 'roleRef'), 'name')}"


def _subjects(kind: str, shown: Callable[[Object], str]) -> Callable[[Object], str]:
    return lambda binding: ", ".join(shown(one) for one in objects(binding, "subjects") if text(one, "kind") == kind)


def _name(subject: Object) -> str:
    return text(subject, "name")


def _account(subject: Object) -> str:
    space = text(subject, "namespace")
    return f"{space}/{_name(subject)}" if space else _name(subject)


_COLUMNS: tuple[Column, ...] = (
    column("Role", _role_of),
    AGE,
    wide("Users", _subjects("User", _name)),
    wide("Groups", _subjects("Group", _name)),
    wide("ServiceAccounts", _subjects("ServiceAccount", _account)),
)

ROLE_BINDING = Kind(
    default=_default_binding,
    validate=listed(lambda binding: _binding(binding, namespaced=True)),
    validate_update=listed(_binding_update),
    validate_name=names.path_segment,
    has_generation=False,
    columns=_COLUMNS,
    allow_create_on_update=True,
)
CLUSTER_ROLE_BINDING = Kind(
    default=_default_binding,
    validate=listed(lambda binding: _binding(binding, namespaced=False)),
    validate_update=listed(_binding_update),
    validate_name=names.path_segment,
    has_generation=False,
    columns=_COLUMNS,
    allow_create_on_update=True,
)

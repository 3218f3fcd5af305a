"""Is a request one of those that a webhook or a policy looks at? Pure.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook.
"""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kinds.fields import labels_of, text, texts
from corral.model.kubernetes.resources import Resource
from corral.model.kubernetes.selectors import of_object

Object = dict[str, Any]
GROUP: Final = "admissionregistration.k8s.io"


def is_exempt(admission: Admission) -> bool:
    """What admission itself is made of must stay repairable."""
    return admission.resource.group == GROUP


def fits_rule(rule: Object, admission: Admission, resource: Resource | None = None) -> bool:
    """`resource`: as if the request were about this one.

    >>> from corral.cluster.apiserver.attributes import User
    >>> from corral.model.kubernetes.resources import Resource
    >>> pods = Resource("", "v1", "pods", "pod", "Pod", "PodList", True)
    >>> asked = Admission(User("a"), "CREATE", pods, "", "n", "p", {}, None, {})
    >>> rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    >>> fits_rule(rule, asked), fits_rule({**rule, "resources": ["pods/status"]}, asked)
    (True, False)
    """
    resource = resource or admission.resource
    is_namespace = resource.plural == "namespaces" and not resource.group
    namespaced = resource.namespaced and not is_namespace
    scope = text(rule, "scope") or "*"
    return (
        _has(texts(rule, "operations"), admission.operation)
        and _has(texts(rule, "apiGroups"), resource.group)
        and _has(texts(rule, "apiVersions"), resource.version)
        and (scope == "*" or (scope == "Namespaced") == namespaced)
        and any(_fits_resource(one, resource.plural, admission.subresource) for one in texts(rule, "resources"))
        and (not rule.get("resourceNames") or admission.name in texts(rule, "resourceNames"))
    )


def _has(values: list[str], value: str) -> bool:
    return "*" in values or value in values


def _fits_resource(pattern: str, plural: str, subresource: str) -> bool:
    """
    >>> _fits_resource("*/*", "pods", "log"), _fits_resource("*", "pods", "log"), _fits_resource("*/log", "pods", "log")
    (True, False, True)
    """
    wanted, _, sub = pattern.partition("/")
    return wanted in ("*", plural) and (sub == subresource or (sub == "*"))


def fits_selectors(holder: Object, admission: Admission, lookup: Lookup) -> bool:
    """By the labels of the object (the old or the new one), and of its namespace."""
    selector = of_object(holder.get("objectSelector") or {})
    if not selector.empty:
        shown = [one for one in (admission.object, admission.old) if one is not None]
        if not any(selector.matches(labels_of(one)) for one in shown):
            return False
    selector = of_object(holder.get("namespaceSelector") or {})
    if selector.empty:
        return True
    namespace = namespace_of(admission, lookup)
    if namespace is None:
        return not admission.resource.namespaced
    return bool(selector.matches(labels_of(namespace)))


def namespace_of(admission: Admission, lookup: Lookup) -> Object | None:
    """The namespace that a request is in, or is about; None of what is in none."""
    resource = admission.resource
    if resource.plural == "namespaces" and not resource.group:
        return admission.object or admission.old
    if not admission.namespace:
        return None
    return lookup.get("", "namespaces", "", admission.namespace)

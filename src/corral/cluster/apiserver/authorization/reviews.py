"""Access reviews: may somebody do something (kubectl auth can-i)? Pure but for the authorizer's answer.

Each takes the object that was posted, leaves it alone, and gives it back with its status. Raises StatusError.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authentication.reviews import read_user_info
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.status import bad_request, invalid

GROUP: Final = "authorization.k8s.io"
_WORDS: Final = {"In": "in", "NotIn": "notin"}


def review_subject(asked: Object, authorizer: Authorizer) -> Object:
    """SubjectAccessReview: about anybody."""
    spec = asked.get("spec") or {}
    found = [*check_spec(spec), *_check_subject(spec), *_check_metadata(asked, ())]
    if found:
        raise invalid("SubjectAccessReview", "", found, GROUP)
    return _answered(asked, _attributes(spec, read_user_info(spec)), authorizer)


def review_self(asked: Object, user: User, authorizer: Authorizer) -> Object:
    """SelfSubjectAccessReview: about who asks."""
    spec = asked.get("spec") or {}
    found = [*check_spec(spec), *_check_metadata(asked, ())]
    if found:
        raise invalid("SelfSubjectAccessReview", "", found, GROUP)
    return _answered(asked, _attributes(spec, user), authorizer)


def review_local(asked: Object, namespace: str, authorizer: Authorizer) -> Object:
    """LocalSubjectAccessReview: about anybody, in the namespace of the request only."""
    spec, meta = asked.get("spec") or {}, asked.get("metadata") or {}
    found = [*check_spec(spec), *_check_subject(spec), *_check_metadata(asked, ("namespace",))]
    resource = spec.get("resourceAttributes")
    if resource is not None and (resource.get("namespace") or "") != (meta.get("namespace") or namespace):
        field = "spec.resourceAttributes.namespace"
        found.append(p.invalid(field, resource.get("namespace") or "", "must match metadata.namespace"))
    if spec.get("nonResourceAttributes") is not None:
        text = "disallowed on this kind of request"
        found.append(p.invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"], text))
    if found:
        raise invalid("LocalSubjectAccessReview", "", found, GROUP)
    if (meta.get("namespace") or namespace) != namespace:
        raise bad_request(f"spec.resourceAttributes.namespace must match namespace: {namespace}")
    return _answered(asked, _attributes(spec, read_user_info(spec)), authorizer)


def review_rules(asked: Object, user: User, authorizer: Authorizer) -> Object:
    """SelfSubjectRulesReview: all that who asks may do in a namespace."""
    namespace = (asked.get("spec") or {}).get("namespace") or ""
    if not namespace:
        raise bad_request("no namespace on request")
    rules, incomplete, error = authorizer.rules_for(user, namespace)
    made = copy.deepcopy({**asked, "spec": {}})
    made["status"] = {
        "resourceRules": [_only(rule, "verbs", "apiGroups", "resources", "resourceNames") for rule in rules
                          if rule.get("resources")],
        "nonResourceRules": [_only(rule, "verbs", "nonResourceURLs") for rule in rules if rule.get("nonResourceURLs")],
        "incomplete": incomplete,
    }  # fmt: skip
    if error:
        made["status"]["evaluationError"] = error
    return made


def _only(rule: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: list(rule[key]) for key in keys if rule.get(key)}


def _answered(asked: Object, attributes: Attributes, authorizer: Authorizer) -> Object:
    decision = authorizer.authorize(attributes)
    made = copy.deepcopy(asked)
    made["status"] = {"allowed": decision.allowed}
    if decision.reason:
        made["status"]["reason"] = decision.reason
    return made


def check_spec(spec: Object) -> list[Problem]:
    """Pure: what is wrong with the question.

    >>> [str(one) for one in check_spec({})]
    ['spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified']
    """  # noqa: E501
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        text = "cannot be specified in combination with resourceAttributes"
        return [p.invalid("spec.nonResourceAttributes", path, text)]
    if resource is None and path is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [p.invalid("spec.resourceAttributes", None, text)]
    found: list[Problem] = []
    for key in ("fieldSelector", "labelSelector"):
        selector = (resource or {}).get(key)
        if selector is not None:
            found += [one.under(f"spec.resourceAttributes.{key}") for one in _check_selector(key, selector)]
    return found


def _check_selector(key: str, selector: Object) -> list[Problem]:
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and requirements:
        return [p.invalid("rawSelector", raw, "may not specified at the same time as requirements")]
    if not raw and not requirements:
        return [p.required("requirements", f"when spec.{key} is specified, requirements or rawSelector is required")]
    found: list[Problem] = []
    for at, one in enumerate(requirements or ()):
        field, values, operator = f"requirements[{at}]", one.get("values") or [], one.get("operator", "")
        if not one.get("key"):
            found.append(p.required(f"{field}.key", "must be specified"))
        if operator in _WORDS and not values:
            found.append(p.required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist") and values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(p.forbidden(f"{field}.values", text))
        elif operator not in (*_WORDS, "Exists", "DoesNotExist"):
            found.append(p.invalid(f"{field}.operator", operator, "not a valid selector operator"))
    return found


def _check_subject(spec: Object) -> list[Problem]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [p.invalid("spec.user", "", "at least one of user or group must be specified")]


def _check_metadata(asked: Object, allowed: tuple[str, ...]) -> list[Problem]:
    ignored = (*allowed, "managedFields", "creationTimestamp")
    meta = {key: value for key, value in (asked.get("metadata") or {}).items() if value and key not in ignored}
    if not meta:
        return []
    return [p.invalid("metadata", meta, "must be empty except for namespace" if allowed else "must be empty")]


def _attributes(spec: Object, user: User) -> Attributes:
    resource = spec.get("resourceAttributes")
    if resource is None:
        path = spec["nonResourceAttributes"]
        return Attributes(user, path.get("verb") or "", path=path.get("path") or "")
    return Attributes(
        user,
        resource.get("verb") or "",
        resource.get("group") or "",
        resource.get("version") or "",
        resource.get("resource") or "",
        resource.get("subresource") or "",
        resource.get("namespace") or "",
        resource.get("name") or "",
        field_selector=field_selector(resource.get("fieldSelector") or {}),
        label_selector=label_selector(resource.get("labelSelector") or {}),
    )


def field_selector(found: Object) -> str:
    """Pure: as text. What a field selector cannot say (several values, existence) is left out: it asks for more then.

    >>> field_selector({"requirements": [{"key": "a", "operator": "NotIn", "values": ["1"]}]})
    'a!=1'
    """
    if found.get("rawSelector"):
        return str(found["rawSelector"])
    signs = {"In": "=", "NotIn": "!="}
    usable = (one for one in found.get("requirements") or ()
              if one.get("operator") in signs and len(one.get("values") or ()) == 1)  # fmt: skip
    return ",".join(f"{one['key']}{signs[one['operator']]}{one['values'][0]}" for one in usable)


def label_selector(found: Object) -> str:
    """Pure: as text.

    >>> label_selector({"requirements": [{"key": "a", "operator": "In", "values": ["2", "1"]},
    ...                                  {"key": "b", "operator": "DoesNotExist"}]})
    'a in (1,2),!b'
    """
    if found.get("rawSelector"):
        return str(found["rawSelector"])
    parts = []
    for one in found.get("requirements") or ():
        operator, key = one.get("operator"), one.get("key", "")
        if operator in _WORDS:
            parts.append(f"{key} {_WORDS[operator]} ({','.join(sorted(one.get('values') or ()))})")
        elif operator in ("Exists", "DoesNotExist"):
            parts.append(key if operator == "Exists" else f"!{key}")
    return ",".join(parts)

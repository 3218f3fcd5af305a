"""Where a pod may run: node selectors and node affinity. Pure.

Follows k8s.io/component-helpers/scheduling/corev1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Object = dict[str, Any]


def matches_node(spec: Mapping[str, Any], node: Object) -> bool:
    """Whether a pod's nodeSelector and its required node affinity allow the node.

    >>> node = {"metadata": {"name": "n1", "labels": {"disk": "ssd"}}}
    >>> matches_node({"nodeSelector": {"disk": "ssd"}}, node), matches_node({"nodeSelector": {"disk": "hdd"}}, node)
    (True, False)
    """
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or matches_terms(required.get("nodeSelectorTerms") or (), node)


def matches_terms(terms: Iterable[Mapping[str, Any]], node: Object) -> bool:
    """One term is enough; an empty term matches nothing.

    >>> term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    >>> matches_terms([{}, term], {"metadata": {"name": "n1"}}), matches_terms([{}], {"metadata": {"name": "n1"}})
    (True, False)
    """
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        (term.get("matchExpressions") or term.get("matchFields"))
        and all(requirement_holds(one, labels) for one in term.get("matchExpressions") or ())
        and all(requirement_holds(one, fields) for one in term.get("matchFields") or ())
        for term in terms
    )


def requirement_holds(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """
    >>> requirement_holds({"key": "cores", "operator": "Gt", "values": ["4"]}, {"cores": "8"})
    True
    """
    value, values = labels.get(one.get("key", "")), one.get("values") or ()
    match one.get("operator"):
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            have, bound = _integer(value), _integer(values[0] if values else None)
            if have is None or bound is None:
                return False
            return have > bound if operator == "Gt" else have < bound
    return False


def _integer(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None

"""Labels of the pod that its own selectors take over: matchLabelKeys. Follows pkg/registry/core/pod/strategy.go."""

from __future__ import annotations

from collections.abc import Iterator

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core.pod_spec.scheduling import PREFERRED, REQUIRED
from corral.model.kubernetes.kinds.fields import objects, part, texts


def merge_match_keys(spec: Object, labels: Object) -> None:
    """In place, of a new pod: each key becomes an expression of the selector, with the pod's own value.

    >>> spec = {"topologySpreadConstraints": [{"matchLabelKeys": ["a"], "labelSelector": {}}]}
    >>> merge_match_keys(spec, {"a": "1"}); spec["topologySpreadConstraints"][0]["labelSelector"]
    {'matchExpressions': [{'key': 'a', 'operator': 'In', 'values': ['1']}]}
    """
    for term in _terms(spec):
        selector = term.get("labelSelector")
        if not isinstance(selector, dict):
            continue
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            found = [
                {"key": key, "operator": operator, "values": [labels[key]]}
                for key in texts(term, field)
                if key in labels
            ]
            if found:
                selector["matchExpressions"] = [*objects(selector, "matchExpressions"), *found]


def _terms(spec: Object) -> Iterator[Object]:
    for kind in ("podAffinity", "podAntiAffinity"):
        found = part(spec, "affinity", kind)
        yield from objects(found, REQUIRED)
        for one in objects(found, PREFERRED):
            yield part(one, "podAffinityTerm")
    yield from objects(spec, "topologySpreadConstraints")

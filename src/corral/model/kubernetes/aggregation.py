"""ClusterRoles that are the sum of others: whatever a selector of their aggregationRule picks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.selectors.objects import of_object


def plan_rules(role: Object, all_roles: Iterable[Object]) -> list[dict[str, Any]] | None:
    """Pure: the rules that an aggregated role should have; None when it has them, or is not aggregated.

    Raises BadSelector.
    The others are taken by name, so the result does not depend on their order; a rule that is there twice counts once.

    >>> pick = {"clusterRoleSelectors": [{"matchLabels": {"to-view": "true"}}]}
    >>> view = {"metadata": {"name": "view"}, "aggregationRule": pick, "rules": []}
    >>> more = {"metadata": {"name": "more", "labels": {"to-view": "true"}}, "rules": [{"verbs": ["get"]}]}
    >>> plan_rules(view, [view, more]), plan_rules({**view, "rules": [{"verbs": ["get"]}]}, [view, more])
    ([{'verbs': ['get']}], None)
    """
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors")
    if not selectors:
        return None
    name = role["metadata"]["name"]
    others = sorted(
        (one for one in all_roles if one["metadata"]["name"] != name), key=lambda one: str(one["metadata"]["name"])
    )
    rules: list[dict[str, Any]] = []
    for selector in map(of_object, selectors):
        for other in others:
            if selector.matches(other["metadata"].get("labels") or {}):
                rules.extend(rule for rule in other.get("rules") or () if rule not in rules)
    return None if rules == (role.get("rules") or []) else rules

"""Requests as webhooks and policies want to see them: matchPolicy Equivalent converts them to the version of a rule.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/generic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from corral.cluster.apiserver.admission.matching import fits_rule, fits_selectors
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.registry import Registry, Served
from corral.model.kubernetes.kinds.fields import objects, text
from corral.model.kubernetes.resources import Resource

Object = dict[str, Any]
EXACT: Final = "Exact"


def choose(
    rules: Sequence[Object], admission: Admission, others: Iterable[Resource], match_policy: str
) -> Resource | None:
    """Pure: as which resource a request fits one of the rules: its own, or an equivalent one; None: it does not.

    >>> from corral.cluster.apiserver.attributes import User
    >>> new, old = (Resource("autoscaling", one, "hpas", "hpa", "HPA", "HPAList", True) for one in ("v2", "v1"))
    >>> asked = Admission(User("a"), "CREATE", new, "", "n", "p", {}, None, {})
    >>> rule = {"operations": ["*"], "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["hpas"]}
    >>> choose([rule], asked, [old], "") is old, choose([rule], asked, [old], "Exact")
    (True, None)
    """
    if any(fits_rule(rule, admission) for rule in rules):
        return admission.resource
    if match_policy == EXACT:
        return None
    return next((one for one in others if any(fits_rule(rule, admission, one) for rule in rules)), None)


class Equivalents:
    """Knows what is served; its answers are good for one request."""

    def __init__(self, lookup: Lookup, registry: Registry) -> None:
        self._lookup, self._registry = lookup, registry

    def _others(self, admission: Admission) -> list[Resource]:
        served = self._served(admission.resource)
        found = self._registry.equivalents(served) if served is not None else []
        sub = admission.subresource
        return [one.resource for one in found if not sub or one.resource.subresource(sub) is not None]

    def _served(self, resource: Resource) -> Served | None:
        return self._registry.find(resource.group, resource.version, resource.plural)

    def fits_hook(self, hook: Object, admission: Admission) -> Resource | None:
        """As which resource a webhook is to see a request; None: it is not asked."""
        rules = objects(hook, "rules")
        found = choose(rules, admission, self._others(admission), text(hook, "matchPolicy"))
        return found if found is not None and fits_selectors(hook, admission, self._lookup) else None

    def fits_constraints(self, constraints: Object, admission: Admission) -> Resource | None:
        """The same of a policy (matchConstraints) or a binding (matchResources), where no rules mean all."""
        if not fits_selectors(constraints, admission, self._lookup):
            return None
        others, how = self._others(admission), text(constraints, "matchPolicy")
        if choose(objects(constraints, "excludeResourceRules"), admission, others, how) is not None:
            return None
        rules = objects(constraints, "resourceRules")
        return choose(rules, admission, others, how) if rules else admission.resource

    async def converted(self, admission: Admission, resource: Resource) -> Admission:
        """The request in the version of an equivalent resource. Warnings and notes are shared with the first."""
        if resource is admission.resource:
            return admission
        shown = replace(admission, resource=resource, requested=admission.requested or admission.resource)
        if self._has_own_body(admission):
            return shown
        shown.object = await self._convert(admission.object, admission.resource, resource)
        shown.old = await self._convert(admission.old, admission.resource, resource)
        return shown

    async def back(self, shown: Admission, admission: Admission) -> Object | None:
        """The object of a converted request, in the version of the request."""
        if shown is admission or self._has_own_body(admission):
            return shown.object
        return await self._convert(shown.object, shown.resource, admission.resource)

    @staticmethod
    def _has_own_body(admission: Admission) -> bool:
        """A Scale or an Eviction is the same in all versions of what it is about."""
        found = admission.resource.subresource(admission.subresource) if admission.subresource else None
        return found is not None and found.kind != admission.resource.gvk

    async def _convert(self, obj: Object | None, before: Resource, after: Resource) -> Object | None:
        source, target = self._served(before), self._served(after)
        if obj is None or source is None or target is None:
            return obj
        if source.warm is not None:
            await source.warm([obj], source.stored.api_version)
        stored = source.incoming(obj)
        if target.warm is not None:
            await target.warm([stored], target.resource.api_version)
        return target.outgoing(stored)

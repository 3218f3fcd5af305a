"""What validating and mutating admission policies share: bindings, parameters, variables, match conditions.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/generic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from corral.cluster.apiserver.admission.equivalents import Equivalents
from corral.cluster.apiserver.admission.expressions import (
    POLICY_NAMES,
    conditions_of,
    decider,
    namespace_value,
    values_of,
)
from corral.cluster.apiserver.admission.matching import GROUP
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.cel.messages import Evaluated, Item, Part
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.registry import Registry
from corral.errors import CorralError
from corral.model.kubernetes.kinds.fields import labels_of, objects, part, text
from corral.model.kubernetes.resources import GroupVersionKind, Resource, split_api_version
from corral.model.kubernetes.selectors import of_object

Object = dict[str, Any]
NO_PARAMS: Final = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
NO_NAMESPACE: Final = (
    "failed to configure binding: cannot use namespaced paramRef in policy binding that matches "
    "cluster-scoped resources"
)


class PolicyError(CorralError):
    """A policy that could not be asked; its failurePolicy decides what that means."""


class ParamsMissing(CorralError):
    """There are no parameters, and the binding says that nothing is allowed without."""


@dataclass(slots=True)
class Bound:
    """A policy, one binding of it, and the parameters of one evaluation.

    `resource`: as which it is to see the request. `error`: why there are no parameters.
    """

    policy: Object
    binding: Object
    resource: Resource
    params: Object | None = None
    error: CorralError | None = None

    @property
    def policy_name(self) -> str:
        return str(self.policy["metadata"]["name"])

    @property
    def binding_name(self) -> str:
        return str(self.binding["metadata"]["name"])

    @property
    def ignores_failures(self) -> bool:
        return text(part(self.policy, "spec"), "failurePolicy") == "Ignore"


class Policies:
    """Reads policies (`plural`) and their bindings from the caches."""

    def __init__(self, lookup: Lookup, registry: Registry, plural: str, bindings: str) -> None:
        self._lookup, self._registry, self._plural, self._bindings = lookup, registry, plural, bindings
        self.equivalents = Equivalents(lookup, registry)

    def any(self) -> bool:
        return bool(self._lookup.list(GROUP, self._bindings))

    def bound(self, admission: Admission) -> Iterator[Bound]:
        """All evaluations that a request asks for."""
        bindings = self._lookup.list(GROUP, self._bindings)
        for policy in self._lookup.list(GROUP, self._plural):
            spec, name = part(policy, "spec"), policy["metadata"]["name"]
            mine = [one for one in bindings if text(part(one, "spec"), "policyName") == name]
            fits = self.equivalents.fits_constraints
            resource = fits(part(spec, "matchConstraints"), admission) if mine else None
            if resource is None:
                continue
            for binding in mine:
                matches = part(binding, "spec").get("matchResources")
                if not isinstance(matches, dict) or fits(matches, admission) is not None:
                    yield from self._with_params(policy, binding, resource, admission)

    def _with_params(self, policy: Object, binding: Object, as_: Resource, admission: Admission) -> Iterator[Bound]:
        kind, ref = part(policy, "spec").get("paramKind"), part(binding, "spec").get("paramRef")
        if not isinstance(kind, dict) or not isinstance(ref, dict):
            yield Bound(policy, binding, as_)
            return
        try:
            found = self._params(kind, ref, admission)
        except CorralError as error:
            yield Bound(policy, binding, as_, None, error)
            return
        for one in found:
            yield Bound(policy, binding, as_, one)

    def _params(self, kind: Object, ref: Object, admission: Admission) -> list[Object]:
        group, version = split_api_version(text(kind, "apiVersion"))
        served = self._registry.of_kind(GroupVersionKind(group, version, text(kind, "kind")))
        if served is None:
            shown = f"{group}/{version}, Kind={text(kind, 'kind')}"
            raise PolicyError(f"failed to configure policy: failed to find resource referenced by paramKind: '{shown}'")
        namespace = text(ref, "namespace") or (admission.namespace if served.resource.namespaced else "")
        if served.resource.namespaced and not namespace:
            raise PolicyError(NO_NAMESPACE)
        if name := text(ref, "name"):
            one = self._lookup.get(served.group, served.plural, namespace, name)
            found = [one] if one is not None else []
        else:
            selector = of_object(ref.get("selector") or {})
            known = self._lookup.list(served.group, served.plural, namespace)
            found = [one for one in known if selector.matches(labels_of(one))]
        if not found and text(ref, "parameterNotFoundAction") != "Allow":
            raise ParamsMissing(NO_PARAMS)
        return [served.outgoing(one) for one in found]


@dataclass(slots=True)
class Question:
    """What is asked of one policy: its conditions, and these expressions over its variables and parameters."""

    bound: Bound
    items: list[Item]

    @property
    def part(self) -> Part:
        spec = part(self.bound.policy, "spec")
        variables = {text(one, "name"): text(one, "expression") for one in objects(spec, "variables")}
        return Part(self.items, conditions_of(spec), variables, {"params": self.bound.params})


@dataclass(slots=True)
class Asker:
    """Runs the expressions of policies on requests: one exchange for all policies that see a request alike."""

    lookup: Lookup
    authorizer: Authorizer
    expressions: Expressions
    names: tuple[str, ...] = field(default=POLICY_NAMES)

    async def ask(self, admission: Admission, questions: list[Question]) -> list[Evaluated]:
        """Raises EvaluationError when there is no answer at all."""
        values = {**values_of(admission), "namespaceObject": namespace_value(admission, self.lookup)}
        decide = decider(self.authorizer, admission.user)
        parts = [one.part for one in questions]
        return await self.expressions.evaluate(self.names, values, parts, decide)

"""What validating and mutating admission policies share: bindings, parameters, variables, match conditions.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/generic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from corral.cluster.apiserver.admission.expressions import POLICY_NAMES, conditions_hold, namespace_value, values_of
from corral.cluster.apiserver.admission.matching import GROUP, fits_constraints
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.cel.construct import as_maps
from corral.cluster.apiserver.cel.environment import CompileError, EvaluationError, environment
from corral.cluster.apiserver.cel.limits import bare
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.registry import Registry
from corral.errors import CorralError
from corral.model.kubernetes.kinds.fields import labels_of, objects, part, text
from corral.model.kubernetes.resources import GroupVersionKind, split_api_version
from corral.model.kubernetes.selectors import of_object

Object = dict[str, Any]
NO_PARAMS: Final = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
NO_NAMESPACE: Final = (
    "failed to configure binding: cannot use namespaced paramRef in policy binding that matches "
    "cluster-scoped resources"
)
_VARIABLE: Final = re.compile(r"(?<![\w.])variables\.([A-Za-z_]\w*)")


class PolicyError(CorralError):
    """A policy that could not be asked; its failurePolicy decides what that means."""


class ParamsMissing(CorralError):
    """There are no parameters, and the binding says that nothing is allowed without."""


@dataclass(slots=True)
class Bound:
    """A policy, one binding of it, and the parameters of one evaluation."""

    policy: Object
    binding: Object
    params: Object | None

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

    def any(self) -> bool:
        return bool(self._lookup.list(GROUP, self._bindings))

    def bound(self, admission: Admission) -> Iterator[Bound | tuple[Bound, CorralError]]:
        """All evaluations that a request asks for; with an error where there are no parameters for one."""
        bindings = self._lookup.list(GROUP, self._bindings)
        for policy in self._lookup.list(GROUP, self._plural):
            spec = part(policy, "spec")
            constraints = part(spec, "matchConstraints")
            mine = [one for one in bindings if text(part(one, "spec"), "policyName") == policy["metadata"]["name"]]
            if not mine or not fits_constraints(constraints, admission, self._lookup):
                continue
            for binding in mine:
                matches = part(binding, "spec").get("matchResources")
                if isinstance(matches, dict) and not fits_constraints(matches, admission, self._lookup):
                    continue
                yield from self._with_params(policy, binding, admission)

    def _with_params(
        self, policy: Object, binding: Object, admission: Admission
    ) -> Iterator[Bound | tuple[Bound, CorralError]]:
        kind, ref = part(policy, "spec").get("paramKind"), part(binding, "spec").get("paramRef")
        if not isinstance(kind, dict) or not isinstance(ref, dict):
            yield Bound(policy, binding, None)
            return
        try:
            found = self._params(kind, ref, admission)
        except CorralError as error:
            yield Bound(policy, binding, None), error
            return
        for one in found:
            yield Bound(policy, binding, one)

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


class Evaluation:
    """One policy on one request: runs its expressions, with its variables."""

    def __init__(self, bound: Bound, admission: Admission, lookup: Lookup) -> None:
        self._variables = {
            text(one, "name"): text(one, "expression") for one in objects(part(bound.policy, "spec"), "variables")
        }
        self._known: dict[str, Any] = {}
        self._values: dict[str, Any] = values_of(admission)
        self._values |= {"params": bound.params, "namespaceObject": namespace_value(admission, lookup)}
        self._conditions = objects(part(bound.policy, "spec"), "matchConditions")

    def matches(self) -> bool:
        """Whether the match conditions hold. Raises PolicyError when that is not known."""
        if not self._conditions:
            return True
        found = conditions_hold(self._conditions, {**self._values, "variables": {}}, environment(*POLICY_NAMES))
        if found.error:
            raise PolicyError(found.error)
        return found.holds

    def run(self, expression: str) -> Any:
        """The value of an expression. Raises EvaluationError."""
        values = {**self._values, "variables": self._needed(expression, 0)}
        try:
            return environment(*POLICY_NAMES).compile(as_maps(expression)).run(values)
        except CompileError as error:
            raise EvaluationError(error.message) from None

    def _needed(self, expression: str, depth: int) -> Mapping[str, Any]:
        """The variables that an expression mentions: nothing else is computed, and nothing twice."""
        found = {}
        for name in dict.fromkeys(_VARIABLE.findall(bare(expression))):
            if name not in self._variables or depth > len(self._variables):
                continue
            if name not in self._known:
                inner = self._variables[name]
                values = {**self._values, "variables": self._needed(inner, depth + 1)}
                try:
                    self._known[name] = environment(*POLICY_NAMES).compile(as_maps(inner)).run(values)
                except CorralError as error:
                    raise EvaluationError(
                        f"composited variable {name!r} fails to evaluate: {error.message}".replace("'", '"')
                    ) from None
            found[name] = self._known[name]
        return found

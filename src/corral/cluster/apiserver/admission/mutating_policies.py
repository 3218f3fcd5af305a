"""MutatingAdmissionPolicy: changes in CEL, as an apply configuration or as a JSON patch.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/mutating.
"""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.admission.expressions import authorized_by
from corral.cluster.apiserver.admission.matching import is_exempt
from corral.cluster.apiserver.admission.plugin import Base, refused
from corral.cluster.apiserver.admission.policies import Bound, Evaluation, ParamsMissing, Policies, PolicyError
from corral.cluster.apiserver.apply.merging import merge
from corral.cluster.apiserver.apply.plan import of_schema
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.cel.environment import EvaluationError
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.patch import json_patch
from corral.cluster.apiserver.registry import Registry
from corral.cluster.apiserver.webhooks.dispatching import complete
from corral.errors import CorralError
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]


class MutatingPolicies(Base):
    def __init__(self, lookup: Lookup, registry: Registry, authorizer: Authorizer) -> None:
        self._lookup, self._registry, self._authorizer = lookup, registry, authorizer
        self._policies = Policies(lookup, registry, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")

    async def admit(self, admission: Admission) -> None:
        """One after the other; those that want to be asked again are, once, when the object changed after them."""
        if is_exempt(admission) or admission.object is None or not self._policies.any():
            return
        with authorized_by(self._authorizer, admission.user):
            again: list[tuple[Bound, int]] = []
            changes = 0
            for found in self._policies.bound(admission):
                bound, error = found if isinstance(found, tuple) else (found, None)
                if error is not None:
                    self._failed(bound, admission, error)
                    continue
                changes += self._mutate(bound, admission)
                again.append((bound, changes))
            for bound, before in again:
                if text(part(bound.policy, "spec"), "reinvocationPolicy") == "IfNeeded" and changes > before:
                    changes += self._mutate(bound, admission)

    def _mutate(self, bound: Bound, admission: Admission) -> bool:
        """Whether the object is another now."""
        before = admission.object
        try:
            if not Evaluation(bound, admission, self._lookup).matches():
                return False
            for mutation in objects(part(bound.policy, "spec"), "mutations"):
                evaluation = Evaluation(bound, admission, self._lookup)
                patched = self._patched(mutation, evaluation, admission)
                by = f"policy '{bound.policy_name}' with binding '{bound.binding_name}'"
                admission.object = complete(self._registry, admission, patched, by)
        except (EvaluationError, PolicyError, StatusError) as error:
            admission.object = before
            self._failed(bound, admission, error)
        return admission.object != before

    def _patched(self, mutation: Object, evaluation: Evaluation, admission: Admission) -> Any:
        if text(mutation, "patchType") == "JSONPatch":
            operations = evaluation.run(text(part(mutation, "jsonPatch"), "expression"))
            return json_patch.apply(admission.object or {}, operations)
        applied = evaluation.run(text(part(mutation, "applyConfiguration"), "expression"))
        if not isinstance(applied, dict):
            raise EvaluationError("the apply configuration is no object")
        resource = admission.resource
        served = self._registry.find(resource.group, resource.version, resource.plural)
        plan = of_schema(served.schema if served is not None else None)
        return merge(admission.object, applied, plan)

    @staticmethod
    def _failed(bound: Bound, admission: Admission, error: CorralError) -> None:
        """Raises the refusal, if the policy wants one."""
        if bound.ignores_failures and not isinstance(error, ParamsMissing):
            return
        head = f"policy '{bound.policy_name}' with binding '{bound.binding_name}' denied request: "
        found = refused(admission, head + error.message)
        raise StatusError(
            422, "Invalid", found.message, {**found.details, "causes": [{"message": head + error.message}]}
        )

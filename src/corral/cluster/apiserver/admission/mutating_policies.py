"""MutatingAdmissionPolicy: changes in CEL, as an apply configuration or as a JSON patch.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/mutating.
"""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.admission.matching import is_exempt
from corral.cluster.apiserver.admission.plugin import Base, refused
from corral.cluster.apiserver.admission.policies import Asker, Bound, ParamsMissing, Policies, PolicyError, Question
from corral.cluster.apiserver.apply.merging import merge
from corral.cluster.apiserver.apply.plan import of_schema
from corral.cluster.apiserver.apply.typed import atomics, check
from corral.cluster.apiserver.apply.typed_errors import text as errors_text
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.cel.construct import misnamed
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.messages import Item
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.patch import json_patch
from corral.cluster.apiserver.registry import Registry
from corral.cluster.apiserver.webhooks.dispatching import complete
from corral.errors import CorralError
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]


class MutatingPolicies(Base):
    def __init__(self, lookup: Lookup, registry: Registry, authorizer: Authorizer, expressions: Expressions) -> None:
        self._registry, self._asker = registry, Asker(lookup, authorizer, expressions)
        self._policies = Policies(lookup, registry, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")

    async def admit(self, admission: Admission) -> None:
        """One after the other; those that want to be asked again are, once, when the object changed after them."""
        if is_exempt(admission) or admission.object is None or not self._policies.any():
            return
        again: list[tuple[Bound, int]] = []
        changes = 0
        for bound in self._policies.bound(admission):
            if bound.error is not None:
                self._failed(bound, admission, bound.error)
                continue
            changes += await self._mutate(bound, admission)
            again.append((bound, changes))
        for bound, before in again:
            if text(part(bound.policy, "spec"), "reinvocationPolicy") == "IfNeeded" and changes > before:
                changes += await self._mutate(bound, admission)

    async def _mutate(self, bound: Bound, admission: Admission) -> bool:
        """Whether the object is another now."""
        before, equivalents = admission.object, self._policies.equivalents
        try:
            shown = await equivalents.converted(admission, bound.resource)
            for mutation in objects(part(bound.policy, "spec"), "mutations"):
                expression = _expression(mutation)
                answer = (await self._asker.ask(shown, [Question(bound, [Item(expression)])]))[0]
                if answer.error:
                    raise PolicyError(answer.error)
                if not answer.holds:
                    break
                if answer.found[0].error:
                    raise EvaluationError(answer.found[0].error)
                patched = self._patched(mutation, answer.found[0].value, shown)
                by = f"policy '{bound.policy_name}' with binding '{bound.binding_name}'"
                shown.object = complete(self._registry, shown, patched, by)
            admission.object = await equivalents.back(shown, admission)
        except (EvaluationError, PolicyError, StatusError) as error:
            admission.object = before
            self._failed(bound, admission, error)
        return admission.object != before

    def _patched(self, mutation: Object, value: Any, admission: Admission) -> Any:
        if text(mutation, "patchType") == "JSONPatch":
            try:
                return json_patch.apply(admission.object or {}, value)
            except json_patch.DoesNotFit as error:
                if error.tested:  # how a patch says what it is not meant for
                    return admission.object
                raise EvaluationError(f"JSON Patch: {error.cause}") from None
        if not isinstance(value, dict):
            raise EvaluationError("the apply configuration is no object")
        resource = admission.resource
        served = self._registry.find(resource.group, resource.version, resource.plural)
        if named := misnamed(_expression(mutation)):
            raise EvaluationError(f"type mismatch: {named}")
        plan = of_schema(served.schema if served is not None else None)
        if faults := check(value, plan):
            text_of = f"failed to convert patch object to typed object: {errors_text(faults)}"
            raise EvaluationError(f"error applying patch: {text_of}")
        if whole := ", ".join(atomics(value, plan)):  # what the author did not write would be lost
            text_of = f"invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {whole}"
            raise EvaluationError(f"error applying patch: {text_of}")
        return merge(admission.object, value, plan)

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


def _expression(mutation: Object) -> str:
    kind = "jsonPatch" if text(mutation, "patchType") == "JSONPatch" else "applyConfiguration"
    return text(part(mutation, kind), "expression")

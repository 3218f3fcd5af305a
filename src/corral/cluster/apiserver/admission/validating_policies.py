"""ValidatingAdmissionPolicy: rules in CEL that a request must pass.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.admission.expressions import (
    POLICY_NAMES,
    authorized_by,
    compile_problem,
    compile_problems,
)
from corral.cluster.apiserver.admission.matching import GROUP, is_exempt
from corral.cluster.apiserver.admission.plugin import Base, refused
from corral.cluster.apiserver.admission.policies import Bound, Evaluation, ParamsMissing, Policies, PolicyError
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.cel.construct import as_maps
from corral.cluster.apiserver.cel.environment import EvaluationError
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.registry import Registry
from corral.errors import CorralError
from corral.model.kubernetes.kinds.fields import objects, part, text, texts
from corral.model.kubernetes.problems import Problem, invalid
from corral.model.kubernetes.status import StatusError
from corral.model.kubernetes.status import invalid as invalid_object

Object = dict[str, Any]
PLURAL: Final = "validatingadmissionpolicies"
FAILURE: Final = "validation.policy.admission.k8s.io/validation_failure"
CODES: Final = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}


class Failure(NamedTuple):
    """One rule that does not hold. `number` is the rule's."""

    bound: Bound
    number: int
    message: str
    reason: str
    is_error: bool = False


class ValidatingPolicies(Base):
    def __init__(self, lookup: Lookup, registry: Registry, authorizer: Authorizer) -> None:
        self._lookup, self._authorizer = lookup, authorizer
        self._policies = Policies(lookup, registry, PLURAL, "validatingadmissionpolicybindings")

    async def validate(self, admission: Admission) -> None:
        if is_exempt(admission):
            check_policy(admission)
            return
        if not self._policies.any():
            return
        denied: list[Failure] = []
        noted: list[Object] = []
        with authorized_by(self._authorizer, admission.user):
            for failure in self._failures(admission):
                actions = texts(part(failure.bound.binding, "spec"), "validationActions")
                if "Deny" in actions or failure.is_error:
                    denied.append(failure)
                if "Warn" in actions and not failure.is_error:
                    admission.warnings.append(
                        f"Validation failed for ValidatingAdmissionPolicy '{failure.bound.policy_name}' with binding "
                        f"'{failure.bound.binding_name}': {failure.message}"
                    )
                if "Audit" in actions:
                    noted.append(_note(failure, actions))
        if noted:
            admission.annotations[FAILURE] = json.dumps(noted, separators=(",", ":"))
        if denied:
            raise denial(admission, denied[0])

    def _failures(self, admission: Admission) -> Iterator[Failure]:
        for found in self._policies.bound(admission):
            if isinstance(found, tuple):
                bound, error = found
                if isinstance(error, ParamsMissing) or not bound.ignores_failures:
                    yield Failure(bound, 0, error.message, "", True)
                continue
            yield from self._evaluate(found, admission)

    def _evaluate(self, bound: Bound, admission: Admission) -> Iterator[Failure]:
        evaluation = Evaluation(bound, admission, self._lookup)
        try:
            if not evaluation.matches():
                return
        except PolicyError as error:
            if not bound.ignores_failures:
                yield Failure(bound, 0, error.message, "", True)
            return
        for index, rule in enumerate(objects(part(bound.policy, "spec"), "validations")):
            try:
                holds = evaluation.run(text(rule, "expression"))
            except EvaluationError as error:
                if not bound.ignores_failures:
                    message = f"expression '{text(rule, 'expression')}' resulted in error: {error.message}"
                    yield Failure(bound, index, message, "")
                continue
            if holds is not True:
                yield Failure(bound, index, _message(rule, evaluation), text(rule, "reason"))
        self._annotate(bound, evaluation, admission)

    @staticmethod
    def _annotate(bound: Bound, evaluation: Evaluation, admission: Admission) -> None:
        for one in objects(part(bound.policy, "spec"), "auditAnnotations"):
            try:
                value = evaluation.run(text(one, "valueExpression"))
            except EvaluationError:
                continue
            if isinstance(value, str) and value.strip():
                admission.annotations[f"{bound.policy_name}/{text(one, 'key')}"] = value.strip()


def _message(rule: Object, evaluation: Evaluation) -> str:
    if expression := text(rule, "messageExpression"):
        try:
            found = evaluation.run(expression)
        except CorralError:
            found = ""
        if isinstance(found, str) and found.strip() and "\n" not in found.strip():
            return found.strip()
    return text(rule, "message").strip() or f"failed expression: {text(rule, 'expression').strip()}"


def _note(failure: Failure, actions: list[str]) -> Object:
    bound = failure.bound
    return {
        "message": failure.message,
        "policy": bound.policy_name,
        "binding": bound.binding_name,
        "expressionIndex": failure.number,
        "validationActions": actions,
    }


def denial(admission: Admission, failure: Failure) -> StatusError:
    """The refusal; its reason is the rule's."""
    bound = failure.bound
    head = f"ValidatingAdmissionPolicy '{bound.policy_name}' with binding '{bound.binding_name}' denied request: "
    error = refused(admission, head + failure.message)
    reason = failure.reason or "Invalid"
    details = {**error.details, "causes": [{"message": head + failure.message}]}
    return StatusError(CODES.get(reason, 422), reason, error.message, details)


def check_policy(admission: Admission) -> None:
    """Raises 422 for a policy whose expressions do not compile."""
    obj, plural = admission.object, admission.resource.plural
    if obj is None or admission.subresource or not plural.endswith("admissionpolicies"):
        return
    found = _problems(obj)
    if found:
        raise invalid_object(admission.resource.kind, admission.name, found, GROUP)


def _problems(policy: Object) -> list[Problem]:
    spec = part(policy, "spec")
    found = compile_problems(spec, "spec.matchConditions", POLICY_NAMES)
    for holder, key, returns in (
        ("variables", "expression", ""),
        ("validations", "expression", "BOOL"),
        ("validations", "messageExpression", "STRING"),
        ("auditAnnotations", "valueExpression", ""),
    ):
        for index, one in enumerate(objects(spec, holder)):
            expression = text(one, key)
            if cause := compile_problem(as_maps(expression), POLICY_NAMES, returns):
                found.append(invalid(f"spec.{holder}[{index}].{key}", expression, cause))
    for index, one in enumerate(objects(spec, "mutations")):
        for kind in ("applyConfiguration", "jsonPatch"):
            expression = text(part(one, kind), "expression")
            if cause := compile_problem(as_maps(expression), POLICY_NAMES):
                found.append(invalid(f"spec.mutations[{index}].{kind}.expression", expression, cause))
    return found

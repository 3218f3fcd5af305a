"""ValidatingAdmissionPolicy: rules in CEL that a request must pass.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.admission.matching import is_exempt
from corral.cluster.apiserver.admission.plugin import Base, refused
from corral.cluster.apiserver.admission.policies import Asker, Bound, ParamsMissing, Policies, Question
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.messages import Evaluated, Found, Item
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.registry import Registry
from corral.model.kubernetes.kinds.fields import objects, part, text, texts
from corral.model.kubernetes.status import StatusError

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
    def __init__(self, lookup: Lookup, registry: Registry, authorizer: Authorizer, expressions: Expressions) -> None:
        self._asker = Asker(lookup, authorizer, expressions)
        self._policies = Policies(lookup, registry, PLURAL, "validatingadmissionpolicybindings")

    async def validate(self, admission: Admission) -> None:
        if is_exempt(admission) or not self._policies.any():
            return
        denied: list[Failure] = []
        noted: list[Object] = []
        for failure in await self._failures(admission):
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

    async def _failures(self, admission: Admission) -> list[Failure]:
        found: list[Failure] = []
        # One exchange for neighbours that see the request alike: nearly always, all of them.
        for resource, same in groupby(self._policies.bound(admission), key=lambda one: one.resource):
            bounds = list(same)
            asked = [one for one in bounds if one.error is None]
            found += [failure for one in bounds if one.error is not None for failure in _without_params(one)]
            if not asked:
                continue
            shown = await self._policies.equivalents.converted(admission, resource)
            try:
                answers = await self._asker.ask(shown, [Question(one, _items(one)) for one in asked])
            except EvaluationError as error:
                answers = [Evaluated(False, error.message)] * len(asked)
            for bound, answer in zip(asked, answers, strict=True):
                found += _judge(bound, answer, admission)
        return found


def _without_params(bound: Bound) -> list[Failure]:
    if bound.error is None or (bound.ignores_failures and not isinstance(bound.error, ParamsMissing)):
        return []
    return [Failure(bound, 0, bound.error.message, "", True)]


def _items(bound: Bound) -> list[Item]:
    """What is run of a policy: its rules, then the values of its notes."""
    spec = part(bound.policy, "spec")
    rules = [Item(text(one, "expression"), text(one, "messageExpression")) for one in objects(spec, "validations")]
    return [*rules, *(Item(text(one, "valueExpression")) for one in objects(spec, "auditAnnotations"))]


def _judge(bound: Bound, answer: Evaluated, admission: Admission) -> list[Failure]:
    """Which rules do not hold; the notes go to the request."""
    if answer.error:
        return [] if bound.ignores_failures else [Failure(bound, 0, answer.error, "", True)]
    if not answer.holds:
        return []
    spec, failures = part(bound.policy, "spec"), []
    rules, notes = objects(spec, "validations"), objects(spec, "auditAnnotations")
    for index, (rule, found) in enumerate(zip(rules, answer.found, strict=False)):
        if found.error:
            if not bound.ignores_failures:
                message = f"expression '{text(rule, 'expression')}' resulted in error: {found.error}"
                failures.append(Failure(bound, index, message, ""))
        elif found.value is not True:
            failures.append(Failure(bound, index, _message(rule, found), text(rule, "reason")))
    for note, found in zip(notes, answer.found[len(rules) :], strict=True):
        if not found.error and isinstance(found.value, str) and found.value.strip():
            admission.annotations[f"{bound.policy_name}/{text(note, 'key')}"] = found.value.strip()
    return failures


def _message(rule: Object, found: Found) -> str:
    return found.message or text(rule, "message").strip() or f"failed expression: {text(rule, 'expression').strip()}"


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

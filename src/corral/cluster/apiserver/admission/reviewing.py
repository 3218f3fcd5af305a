"""What CEL is asked of policies and webhook configurations when they are written: do their expressions compile?"""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.admission.expressions import NAMES, POLICY_NAMES
from corral.cluster.apiserver.admission.matching import GROUP
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.cel.process import Expressions
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.problems import Problem, invalid
from corral.model.kubernetes.status import invalid as invalid_object

Object = dict[str, Any]
Place = tuple[str, str, str]  # the path of a field, its expression, the type that it must give


def places_of_conditions(holder: Object, path: str) -> list[Place]:
    conditions = objects(holder, "matchConditions")
    return [(f"{path}[{index}].expression", text(one, "expression"), "BOOL") for index, one in enumerate(conditions)]


def places_of_policy(policy: Object) -> list[Place]:
    """
    >>> places_of_policy({"spec": {"validations": [{"expression": "true"}]}})[0]
    ('spec.validations[0].expression', 'true', 'BOOL')
    """
    spec = part(policy, "spec")
    found = places_of_conditions(spec, "spec.matchConditions")
    for holder, key, returns in (
        ("variables", "expression", ""),
        ("validations", "expression", "BOOL"),
        ("validations", "messageExpression", "STRING"),
        ("auditAnnotations", "valueExpression", ""),
    ):
        for index, one in enumerate(objects(spec, holder)):
            found.append((f"spec.{holder}[{index}].{key}", text(one, key), returns))
    for index, one in enumerate(objects(spec, "mutations")):
        for kind in ("applyConfiguration", "jsonPatch"):
            found.append((f"spec.mutations[{index}].{kind}.expression", text(part(one, kind), "expression"), ""))
    return found


def places_of_hooks(configuration: Object) -> list[Place]:
    found: list[Place] = []
    for index, hook in enumerate(objects(configuration, "webhooks")):
        found += places_of_conditions(hook, f"webhooks[{index}].matchConditions")
    return found


async def check(admission: Admission, expressions: Expressions) -> None:
    """Raises 422 for a policy or a configuration whose expressions do not compile."""
    obj, plural = admission.object, admission.resource.plural
    if obj is None or admission.subresource:
        return
    found: list[Problem] = []
    if plural.endswith("admissionpolicies"):
        found = await _problems(expressions, POLICY_NAMES, places_of_policy(obj))
    elif plural.endswith("webhookconfigurations"):
        found = await _problems(expressions, NAMES, places_of_hooks(obj))
    if found:
        raise invalid_object(admission.resource.kind, admission.name, found, GROUP)


async def _problems(expressions: Expressions, names: tuple[str, ...], places: list[Place]) -> list[Problem]:
    causes = await expressions.compile_problems(names, [(text, returns) for _, text, returns in places])
    return [invalid(path, text, cause) for (path, text, _), cause in zip(places, causes, strict=True) if cause]

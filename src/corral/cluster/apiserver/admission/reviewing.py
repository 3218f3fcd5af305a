"""What CEL is asked of policies, webhook configurations and selectors of devices when they are written: do their
expressions compile?"""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.apiserver.admission.expressions import NAMES, POLICY_NAMES
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.cel.process import Expressions
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.problems import Problem, invalid
from corral.model.kubernetes.status import invalid as invalid_object

Object = dict[str, Any]

DEVICES: Final = "resource.k8s.io"
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


def places_of_selectors(obj: Object) -> list[Place]:
    """Of a DeviceClass, a ResourceClaim or a ResourceClaimTemplate.

    >>> asked = {"selectors": [{"cel": {"expression": "true"}}]}
    >>> claim = {"devices": {"requests": [{"exactly": asked}, {"firstAvailable": [{}, asked]}]}}
    >>> [path for path, _, _ in places_of_selectors({"spec": {"spec": claim}})]
    ['spec.spec.devices.requests[0].exactly.selectors[0].cel.expression', \
'spec.spec.devices.requests[1].firstAvailable[1].selectors[0].cel.expression']
    """
    spec, path = part(obj, "spec"), "spec"
    if "spec" in spec:
        spec, path = part(spec, "spec"), "spec.spec"
    holders = [(path, spec)]
    for number, request in enumerate(objects(part(spec, "devices"), "requests")):
        where = f"{path}.devices.requests[{number}]"
        holders.append((f"{where}.exactly", part(request, "exactly")))
        alternatives = objects(request, "firstAvailable")
        holders += [(f"{where}.firstAvailable[{place}]", one) for place, one in enumerate(alternatives)]
    return [
        (f"{where}.selectors[{index}].cel.expression", text(part(one, "cel"), "expression"), "BOOL")
        for where, holder in holders
        for index, one in enumerate(objects(holder, "selectors"))
    ]


async def check(admission: Admission, expressions: Expressions) -> None:
    """Raises 422 for an object whose expressions do not compile."""
    obj, plural = admission.object, admission.resource.plural
    if obj is None or admission.subresource:
        return
    found: list[Problem] = []
    if plural.endswith("admissionpolicies"):
        found = await _problems(expressions, POLICY_NAMES, places_of_policy(obj))
    elif plural.endswith("webhookconfigurations"):
        found = await _problems(expressions, NAMES, places_of_hooks(obj))
    elif admission.resource.group == DEVICES and (places := places_of_selectors(obj)):
        found = await _problems(expressions, ("device",), places)
    if found:
        raise invalid_object(admission.resource.kind, admission.name, found, admission.resource.group)


async def _problems(expressions: Expressions, names: tuple[str, ...], places: list[Place]) -> list[Problem]:
    causes = await expressions.compile_problems(names, [(text, returns) for _, text, returns in places])
    return [invalid(path, text, cause) for (path, text, _), cause in zip(places, causes, strict=True) if cause]

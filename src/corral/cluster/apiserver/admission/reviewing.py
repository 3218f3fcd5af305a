"""What CEL is asked of policies, webhook configurations and selectors of devices when they are written: do their
expressions compile?"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.admission.expressions import NAMES
from corral.cluster.apiserver.admission.matching import GROUP
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.cel.rewriting import MENTION
from corral.cluster.apiserver.registry import Registry
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.problems import Problem, invalid

Object = dict[str, Any]

_DEVICES: Final = "resource.k8s.io"
_DEFAULT: Final = (*NAMES, "namespaceObject")


class Place(NamedTuple):
    """The path of a field, its expression, the type that it must give; the names that it may use.

    `variables`: those of the policy that it may use, if `names` has "variables".
    """

    path: str
    expression: str
    returns: str
    names: tuple[str, ...] = NAMES
    variables: tuple[str, ...] = ()


def places_of_conditions(holder: Object, path: str, names: tuple[str, ...] = NAMES) -> list[Place]:
    conditions = objects(holder, "matchConditions")
    return [
        Place(f"{path}[{index}].expression", text(one, "expression"), "BOOL", names)
        for index, one in enumerate(conditions)
    ]


def places_of_policy(policy: Object) -> list[Place]:
    """Each variable of a policy knows those before it, all else knows all; parameters are known if there are any.

    >>> policy = {"spec": {"validations": [{"expression": "true"}], "variables": [{"name": "a", "expression": "1"}]}}
    >>> [(one.path, one.returns, one.variables) for one in places_of_policy(policy)]
    [('spec.variables[0].expression', '', ()), ('spec.validations[0].expression', 'BOOL', ('a',)), \
('spec.validations[0].messageExpression', 'STRING', ('a',))]
    """
    spec = part(policy, "spec")
    shared = (*_DEFAULT, "params") if isinstance(spec.get("paramKind"), dict) else _DEFAULT
    found = places_of_conditions(spec, "spec.matchConditions", shared)
    variables = tuple(text(one, "name") for one in objects(spec, "variables"))
    names = (*shared, "variables") if variables else shared
    for index, one in enumerate(objects(spec, "variables")):
        path = f"spec.variables[{index}].expression"
        found.append(Place(path, text(one, "expression"), "", names, variables[:index]))
    for holder, key, returns in (
        ("validations", "expression", "BOOL"),
        ("validations", "messageExpression", "STRING"),
        ("auditAnnotations", "valueExpression", "STRING|NULL"),
    ):
        usable = tuple(one for one in names if one != "authorizer") if key == "messageExpression" else names
        for index, one in enumerate(objects(spec, holder)):
            found.append(Place(f"spec.{holder}[{index}].{key}", text(one, key), returns, usable, variables))
    for index, one in enumerate(objects(spec, "mutations")):
        for kind in ("applyConfiguration", "jsonPatch"):
            path = f"spec.mutations[{index}].{kind}.expression"
            found.append(Place(path, text(part(one, kind), "expression"), "", names, variables))
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
    >>> [one.path for one in places_of_selectors({"spec": {"spec": claim}})]
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
        Place(
            f"{where}.selectors[{index}].cel.expression", text(part(one, "cel"), "expression"), "BOOL|ANY", ("device",)
        )
        for where, holder in holders
        for index, one in enumerate(objects(holder, "selectors"))
    ]


PLACES: Final[dict[tuple[str, str], Callable[[Object], list[Place]]]] = {
    (GROUP, "validatingadmissionpolicies"): places_of_policy,
    (GROUP, "mutatingadmissionpolicies"): places_of_policy,
    (GROUP, "validatingwebhookconfigurations"): places_of_hooks,
    (GROUP, "mutatingwebhookconfigurations"): places_of_hooks,
    (_DEVICES, "deviceclasses"): places_of_selectors,
    (_DEVICES, "resourceclaims"): places_of_selectors,
    (_DEVICES, "resourceclaimtemplates"): places_of_selectors,
}


def serve(registry: Registry, expressions: Expressions) -> None:
    """From now on the expressions of these kinds must compile."""
    for served in registry.all():
        places = PLACES.get((served.resource.group, served.plural))
        if places is not None:
            served.judge = partial(_judge, places, expressions)


async def _judge(
    places: Callable[[Object], list[Place]], expressions: Expressions, new: Object, old: Object | None
) -> tuple[list[Problem], list[Problem]]:
    return await _problems(expressions, places(new)), []


async def _problems(expressions: Expressions, places: list[Place]) -> list[Problem]:
    """In the order of the places. Those that may use the same names are asked about together."""
    causes: dict[Place, str] = {}
    for names in dict.fromkeys(one.names for one in places):
        alike = [one for one in places if one.names == names]
        told = await expressions.compile_problems(names, [(one.expression, one.returns) for one in alike])
        causes |= zip(alike, told, strict=True)
    found = [(one, causes[one] or undefined_variable(one.expression, one.variables)) for one in places]
    return [invalid(one.path, one.expression, cause) for one, cause in found if cause]


def undefined_variable(expression: str, known: Collection[str]) -> str:
    """Pure: what a compiler says of the first variable that a policy has not; "" where it has all.

    >>> print(undefined_variable("variables.a == 'variables.x' ||\\n variables.b", ["a"]))
    compilation failed: ERROR: <input>:2:11: undefined field 'b'
     |  variables.b
     | ..........^
    """
    for one in MENTION.finditer(expression):
        if one[2] and one[2] not in known:
            dot = one.start(2) - 1
            start = expression.rfind("\n", 0, dot) + 1
            line, column = expression.count("\n", 0, dot) + 1, dot - start
            shown = expression[start:].partition("\n")[0]
            text = f"compilation failed: ERROR: <input>:{line}:{column + 1}: undefined field '{one[2]}'"
            return f"{text}\n | {shown}\n | {'.' * column}^"
    return ""

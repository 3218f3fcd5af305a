"""status of a ValidatingAdmissionPolicy: whether its expressions fit the kinds that it names.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go and upstream's controller
validatingadmissionpolicystatus. Which expressions are checked with which types is decided here; the check itself is
`cel/typed`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from corral.cluster.apiserver.admission.matching import GROUP
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.messages import CheckTypes
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.cel.shapes import NAMESPACE, REQUEST, Shapes, shape
from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.updating import Update, update
from corral.cluster.apiserver.options import WriteOptions
from corral.cluster.apiserver.registry import Served
from corral.errors import CorralError
from corral.kit.tasks import Tasks
from corral.model.kubernetes.kinds.fields import number, objects, part, text, texts
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import Schema

log = logging.getLogger("corral.apiserver")
Object = dict[str, Any]
PLURAL: Final = "validatingadmissionpolicies"
ME: Final = User(
    "system:serviceaccount:kube-system:validatingadmissionpolicy-status-controller", groups=(MASTERS_GROUP,)
)
MOST_KINDS: Final = 10


def kinds_of(policy: Object, served: Iterable[Served]) -> list[tuple[GroupVersionKind, Schema]]:
    """Pure: the kinds that a policy names one by one; wildcards and subresources name none."""
    found: dict[GroupVersionKind, Schema] = {}
    known = list(served)
    for rule in objects(part(policy, "spec", "matchConstraints"), "resourceRules"):
        groups, versions = texts(rule, "apiGroups"), texts(rule, "apiVersions")
        if any("*" in one for one in (*groups, *versions)):
            continue
        plurals = [one for one in texts(rule, "resources") if "*" not in one and "/" not in one]
        for one in known:
            resource = one.resource
            if resource.group in groups and resource.version in versions and resource.plural in plurals and one.schema:
                found[resource.gvk] = one.schema
    return sorted(found.items())[:MOST_KINDS]


def expressions_of(policy: Object) -> list[tuple[str, str]]:
    """Pure: (field, expression) of what is checked.

    >>> expressions_of({"spec": {"validations": [{"expression": "a", "messageExpression": "b"}]}})
    [('spec.validations[0].expression', 'a'), ('spec.validations[0].messageExpression', 'b')]
    """
    return [
        (f"spec.validations[{index}].{key}", text(one, key))
        for index, one in enumerate(objects(part(policy, "spec"), "validations"))
        for key in ("expression", "messageExpression")
        if text(one, key)
    ]


def params_of(policy: Object, served: Iterable[Served]) -> tuple[str, Schema] | None:
    """Pure: kind and schema of the parameters, if they are known."""
    wanted = part(policy, "spec", "paramKind")
    for one in served:
        gvk = one.resource.gvk
        if one.schema and (gvk.api_version, gvk.kind) == (text(wanted, "apiVersion"), text(wanted, "kind")):
            return gvk.kind, one.schema
    return None


def job_of(policy: Object, gvk: GroupVersionKind, schema: Schema, params: tuple[str, Schema] | None) -> CheckTypes:
    """Pure: the question about one kind."""
    shapes: Shapes = {**REQUEST, **NAMESPACE}
    own = shape(schema, gvk.kind, shapes)
    names = {"object": own, "oldObject": own, "request": "object kubernetes.AdmissionRequest"}
    names["namespaceObject"] = "object kubernetes.Namespace"
    if params is not None:
        names["params"] = shape(params[1], f"params.{params[0]}", shapes)
    variables = [(text(one, "name"), text(one, "expression")) for one in objects(part(policy, "spec"), "variables")]
    return CheckTypes(shapes, names, variables, [expression for _, expression in expressions_of(policy)])


def warnings_of(fields: Sequence[str], found: Sequence[tuple[GroupVersionKind, Sequence[str]]]) -> list[Object]:
    """Pure: what is wrong with the expression of each field, kind by kind.

    >>> warnings_of(["a", "b"], [(GroupVersionKind("", "v1", "Pod"), ["", "bad"])])
    [{'fieldRef': 'b', 'warning': '/v1, Kind=Pod: bad\\n'}]
    """
    made = []
    for index, field in enumerate(fields):
        said = [f"{gvk.group}/{gvk.version}, Kind={gvk.kind}: {problems[index]}\n" for gvk, problems in found if
                problems[index]]  # fmt: skip
        if said:
            made.append({"fieldRef": field, "warning": "\n".join(said)})
    return made


def status_of(policy: Object, warnings: Sequence[Object]) -> Object:
    """Pure: what the status is to say."""
    checked = {"expressionWarnings": list(warnings)} if warnings else {}
    status = part(policy, "status")
    return {**status, "observedGeneration": number(policy["metadata"], "generation"), "typeChecking": checked}


class PolicyStatuses:
    """Keeps the status of policies."""

    def __init__(self, core: Core, expressions: Expressions) -> None:
        self._core, self._expressions, self._tasks = core, expressions, Tasks()

    def start(self) -> None:
        self._core.caches.subscribe(GROUP, PLURAL, self._changed)

    async def close(self) -> None:
        await self._tasks.close()

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or new["metadata"].get("deletionTimestamp"):
            return
        seen = number(part(new, "status"), "observedGeneration")
        if seen < number(new["metadata"], "generation"):
            name = str(new["metadata"]["name"])
            self._tasks.start(f"status-of-{name}", self._write(name))

    async def _warnings(self, policy: Object) -> list[Object]:
        """Raises EvaluationError."""
        served, fields = self._core.registry.all(), [field for field, _ in expressions_of(policy)]
        params = params_of(policy, served)
        found = []
        for gvk, schema in kinds_of(policy, served) if fields else ():
            found.append((gvk, await self._expressions.check_types(job_of(policy, gvk, schema, params))))
        return warnings_of(fields, found)

    async def _write(self, name: str) -> None:
        served = self._core.registry.of_kind(GroupVersionKind(GROUP, "v1", "ValidatingAdmissionPolicy"))
        policy = self._core.caches.get(GROUP, PLURAL, "", name)
        if served is None or policy is None:
            return
        try:
            warnings = await self._warnings(policy)
        except EvaluationError as error:
            log.warning("the types in ValidatingAdmissionPolicy %s are not checked: %s", name, error.message)
            warnings = []
        seen = number(policy["metadata"], "generation")

        def change(live: Object | None) -> Object:
            found = live or {}
            if number(found["metadata"], "generation") != seen:
                return found  # the check of what it has become is under way
            return {**found, "status": status_of(found, warnings)}

        try:
            target = Target(served, "", name, "status")
            caller = Caller(ME, "validatingadmissionpolicy-status")
            await update(self._core, caller, target, Update(change, WriteOptions()))
        except CorralError as error:
            if getattr(error, "code", 0) != 404:
                log.warning("the status of ValidatingAdmissionPolicy %s is not written: %s", name, error.message)

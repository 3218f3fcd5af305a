"""status of a ValidatingAdmissionPolicy: whether its expressions fit the kinds that it names.

Which fields of `object` and `oldObject` do not exist is found; whether the types of those that do exist fit is not, as
the library knows objects as maps. Follows k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go and
upstream's controller validatingadmissionpolicystatus.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from corral.cluster.apiserver.admission.matching import GROUP
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.cel.limits import bare
from corral.cluster.apiserver.cel.schemas import escape
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
_CHAIN: Final = re.compile(r"(?<![\w.])(?:object|oldObject)((?:\.[A-Za-z_]\w*)+)(?!\s*\()(?![\w.])")


def kinds_of(policy: Object, served: Iterable[Served]) -> list[tuple[GroupVersionKind, Schema]]:
    """Pure: the kinds that a policy names one by one; a rule with a wildcard names none."""
    found: dict[GroupVersionKind, Schema] = {}
    known = list(served)
    for rule in objects(part(policy, "spec", "matchConstraints"), "resourceRules"):
        groups, versions, plurals = (texts(rule, key) for key in ("apiGroups", "apiVersions", "resources"))
        if any("*" in one for one in (*groups, *versions, *plurals)):
            continue
        for one in known:
            resource = one.resource
            if resource.group in groups and resource.version in versions and resource.plural in plurals and one.schema:
                found[resource.gvk] = one.schema
    return sorted(found.items())[:MOST_KINDS]


def warnings(policy: Object, kinds: Sequence[tuple[GroupVersionKind, Schema]]) -> list[Object]:
    """Pure: for each expression that speaks of a field that a kind has not.

    >>> schema = Schema("object", properties={"spec": Schema("object", properties={"a": Schema("integer")})})
    >>> policy = {"spec": {"validations": [{"expression": "object.spec.b > 1"}]}}
    >>> found = warnings(policy, [(GroupVersionKind("apps", "v1", "Web"), schema)])
    >>> found[0]["fieldRef"], found[0]["warning"].splitlines()[0]
    ('spec.validations[0].expression', "apps/v1, Kind=Web: ERROR: <input>:1:12: undefined field 'b'")
    """
    found = []
    for index, one in enumerate(objects(part(policy, "spec"), "validations")):
        for key in ("expression", "messageExpression"):
            if said := "".join(_said(text(one, key), kinds)):
                found.append({"fieldRef": f"spec.validations[{index}].{key}", "warning": said})
    return found


def _said(expression: str, kinds: Sequence[tuple[GroupVersionKind, Schema]]) -> Iterator[str]:
    for gvk, schema in kinds:
        for found in _CHAIN.finditer(bare(expression)):
            keys = found[1].lstrip(".").split(".")
            depth = _undefined(keys, schema)
            if depth is not None:
                place = found.start(1) + sum(len(one) + 1 for one in keys[:depth]) + 1
                head = f"{gvk.api_version}, Kind={gvk.kind}: ERROR: <input>:1:{place}: undefined field '{keys[depth]}'"
                yield f"{head}\n | {expression}\n | {'.' * (place - 1)}^\n"
                break


def _undefined(keys: Sequence[str], schema: Schema) -> int | None:
    """Which of nested fields is the first that the schema has not; None: all are there, or anything may be."""
    at: Schema = schema
    for depth, key in enumerate(keys):
        if at.preserve_unknown or at.values is not None or not at.properties:
            return None
        below = next((one for name, one in at.properties.items() if escape(name) == key), None)
        if below is None:
            return depth
        at = below
    return None


def status_of(policy: Object, served: Iterable[Served]) -> Object:
    """Pure: what the status is to say."""
    found = warnings(policy, kinds_of(policy, served))
    checked = {"expressionWarnings": found} if found else {}
    status = part(policy, "status")
    return {**status, "observedGeneration": number(policy["metadata"], "generation"), "typeChecking": checked}


class PolicyStatuses:
    """Keeps the status of policies."""

    def __init__(self, core: Core) -> None:
        self._core, self._tasks = core, Tasks()

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

    async def _write(self, name: str) -> None:
        served = self._core.registry.of_kind(GroupVersionKind(GROUP, "v1", "ValidatingAdmissionPolicy"))
        if served is None:
            return

        def change(live: Object | None) -> Object:
            found = live or {}
            return {**found, "status": status_of(found, self._core.registry.all())}

        try:
            target = Target(served, "", name, "status")
            caller = Caller(ME, "validatingadmissionpolicy-status")
            await update(self._core, caller, target, Update(change, WriteOptions()))
        except CorralError as error:
            if getattr(error, "code", 0) != 404:
                log.warning("the status of ValidatingAdmissionPolicy %s is not written: %s", name, error.message)

"""What expressions of webhooks and policies see: the object, the request, the namespace, the authorizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.admission.matching import namespace_of
from corral.cluster.apiserver.attributes import Admission, Attributes, User
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.cel import things
from corral.cluster.apiserver.cel.environment import CompileError, Environment, EvaluationError, environment
from corral.cluster.apiserver.cel.functions import Decide, deciding
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kinds.fields import objects, text
from corral.model.kubernetes.problems import Problem, invalid

Object = dict[str, Any]
NAMES: Final = ("object", "oldObject", "request", "authorizer")
POLICY_NAMES: Final = (*NAMES, "params", "namespaceObject", "variables")


def request_of(admission: Admission, uid: str = "") -> Object:
    """Pure: the request as an AdmissionReview and expressions show it, without its objects."""
    resource = admission.resource
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    what = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    found: Object = {"uid": uid, "kind": kind, "resource": what}
    if admission.subresource:
        found["subResource"] = admission.subresource
    found |= {"requestKind": kind, "requestResource": what}
    if admission.subresource:
        found["requestSubResource"] = admission.subresource
    found |= {"name": admission.name} if admission.name else {}
    found |= {"namespace": admission.namespace} if admission.namespace else {}
    return {**found, "operation": admission.operation, "userInfo": user_info(admission.user)}


def user_info(user: User) -> Object:
    found: Object = {"username": user.name}
    if user.uid:
        found["uid"] = user.uid
    if user.groups:
        found["groups"] = list(user.groups)
    if user.extra:
        found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return found


def values_of(admission: Admission) -> dict[str, Any]:
    """Pure: the variables that webhooks and policies share."""
    resource = admission.resource
    request = {**request_of(admission), "dryRun": admission.dry_run, "options": admission.options}
    request["userInfo"] = {"uid": "", "groups": [], "extra": {}, **request["userInfo"]}
    request.setdefault("name", admission.name)
    request.setdefault("namespace", admission.namespace)
    request.setdefault("subResource", "")
    about = {
        things.KIND: "check",
        "account": "",
        "group": resource.group,
        "resource": resource.plural,
        "subresource": admission.subresource,
        "namespace": admission.namespace,
        "name": admission.name,
    }
    mine = {**things.authorizer(), "requestResource": about}
    return {"object": admission.object, "oldObject": admission.old, "request": request, "authorizer": mine}


def namespace_value(admission: Admission, lookup: Lookup) -> Object | None:
    return namespace_of(admission, lookup)


@contextmanager
def authorized_by(authorizer: Authorizer, user: User) -> Iterator[None]:
    """Within, the authorizer of expressions answers for this user."""
    token = deciding.set(_decider(authorizer, user))
    try:
        yield
    finally:
        deciding.reset(token)


def _decider(authorizer: Authorizer, user: User) -> Decide:
    def decide(thing: things.Thing, verb: str) -> tuple[bool, str]:
        who = user
        if account := str(thing.get("account") or ""):
            namespace = account.partition(":")[0]
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
            who = User(f"system:serviceaccount:{account}", groups=groups)
        if thing[things.KIND] == "path":
            asked = Attributes(who, verb, path=str(thing["path"]))
        else:
            fields = {
                key: str(thing.get(key) or "") for key in ("group", "resource", "subresource", "namespace", "name")
            }
            asked = Attributes(who, verb, version="*", **fields)
        decision = authorizer.authorize(asked)
        return decision.allowed, decision.reason

    return decide


class Matched(NamedTuple):
    """`error`: why it is not known whether the conditions hold."""

    holds: bool
    error: str = ""


def conditions_hold(conditions: list[Object], values: Mapping[str, Any], where: Environment | None = None) -> Matched:
    """All must hold. One that is false decides, whatever others fail with."""
    found = where or environment(*NAMES)
    error = ""
    for one in conditions:
        try:
            if found.compile(text(one, "expression"), "BOOL").run(values) is not True:
                return Matched(False)
        except (CompileError, EvaluationError) as failure:
            error = error or f"{failure.message} evaluating matchCondition {text(one, 'name')}"
    return Matched(not error, error)


def compile_problems(holder: Object, path: str, names: tuple[str, ...]) -> list[Problem]:
    """Of matchConditions."""
    found = []
    for index, one in enumerate(objects(holder, "matchConditions")):
        if cause := compile_problem(text(one, "expression"), names, "BOOL"):
            found.append(invalid(f"{path}[{index}].expression", text(one, "expression"), cause))
    return found


def compile_problem(expression: str, names: tuple[str, ...], returns: str = "") -> str:
    """Pure: why an expression cannot be used; "" if it can, or is not there (which is said elsewhere)."""
    if not expression.strip():
        return ""
    try:
        environment(*names).compile(expression, returns)
    except CompileError as error:
        return error.message
    return ""

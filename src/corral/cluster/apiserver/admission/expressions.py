"""What expressions of webhooks and policies see: the object, the request, the namespace, the authorizer."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.apiserver.admission.matching import namespace_of
from corral.cluster.apiserver.attributes import Admission, Attributes, User
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.cel import things
from corral.cluster.apiserver.cel.messages import Part
from corral.cluster.apiserver.cel.things import Decide
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kinds.fields import objects, text
from corral.model.kubernetes.resources import Resource

Object = dict[str, Any]
NAMES: Final = ("object", "oldObject", "request", "authorizer")
POLICY_NAMES: Final = (*NAMES, "params", "namespaceObject", "variables")


def request_of(admission: Admission, uid: str = "") -> Object:
    """Pure: the request as an AdmissionReview and expressions show it, without its objects."""
    found: Object = {"uid": uid, **_named(admission.resource, admission.subresource, "kind", "resource", "subResource")}
    asked = admission.requested or admission.resource
    found |= _named(asked, admission.subresource, "requestKind", "requestResource", "requestSubResource")
    found |= {"name": admission.name} if admission.name else {}
    found |= {"namespace": admission.namespace} if admission.namespace else {}
    return {**found, "operation": admission.operation, "userInfo": user_info(admission.user)}


def _named(resource: Resource, subresource: str, kind: str, what: str, sub: str) -> Object:
    """A subresource has the kind of its bodies: an Eviction below pods, a Scale below deployments."""
    below = resource.subresource(subresource) if subresource else None
    gvk = below.kind if below is not None else resource.gvk
    found: Object = {
        kind: {"group": gvk.group, "version": gvk.version, "kind": gvk.kind},
        what: {"group": resource.group, "version": resource.version, "resource": resource.plural},
    }
    return {**found, sub: subresource} if subresource else found


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


def conditions_of(holder: Object) -> list[tuple[str, str]]:
    """(name, expression) of matchConditions."""
    return [(text(one, "name"), text(one, "expression")) for one in objects(holder, "matchConditions")]


def condition_part(holder: Object) -> Part:
    return Part([], conditions_of(holder))


def decider(authorizer: Authorizer, user: User) -> Decide:
    """The authorizer of expressions, which answers for this user, or for a service account that is named."""

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

"""The `token` subresource of service accounts: kubectl create token, and the tokens that pods get."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.authentication.claims import Bound, claims_of
from corral.cluster.apiserver.authentication.service_accounts import Issuer
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes import problems, status
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.resources import split_api_version

DEFAULT_SECONDS: Final = 3600
MIN_SECONDS: Final = 600
WARN_SECONDS: Final = 3607  # what kubelets ask for: the sign that a pod may not know yet that its token changes
EXTENDED_SECONDS: Final = 365 * 86400
_BINDABLE: Final = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


class Issued(NamedTuple):
    """The TokenRequest with its status, and what to warn the client of. `token_id` is for the audit log."""

    object: Object
    warnings: tuple[str, ...]
    token_id: str


def issue(asked: Object, namespace: str, name: str, lookup: Lookup, issuer: Issuer, now: int, token_id: str) -> Issued:
    """A token for the service account `name`. `asked` is left alone. StatusError (404, 409, 422, 400)."""
    made = copy.deepcopy(asked)
    made["apiVersion"], made["kind"] = "authentication.k8s.io/v1", "TokenRequest"
    meta, spec = made.setdefault("metadata", {}), made.setdefault("spec", {})
    _check_place(meta, namespace, name)
    account = lookup.get("", "serviceaccounts", namespace, name)
    if account is None:
        raise status.not_found("serviceaccounts", name)
    _fill_in(meta, spec, account, issuer, now)
    _check_spec(spec)
    bound = _bound(spec.get("boundObjectRef"), namespace, name, lookup)
    warnings = _shorten(spec, issuer.max_seconds)
    token = issuer.sign(_claims(account, bound, spec, issuer, now, token_id))
    made["status"] = {"token": token, "expirationTimestamp": _rfc3339(now + spec["expirationSeconds"])}
    return Issued(made, warnings, token_id)


def _check_place(meta: Object, namespace: str, name: str) -> None:
    given = [
        ("metadata.name", meta.get("name"), name, "must match the service account name if specified"),
        (
            "metadata.namespace",
            meta.get("namespace"),
            namespace,
            "must match the service account namespace if specified",
        ),
    ]
    for field, value, wanted, text in given:
        if value and value != wanted:
            raise _invalid(name, [problems.invalid(field, value, text)])


def _fill_in(meta: Object, spec: Object, account: Object, issuer: Issuer, now: int) -> None:
    """In place: what was not said. 409 when the account is another than the client thinks."""
    has = account["metadata"]
    if meta.get("uid") and meta["uid"] != has["uid"]:
        cause = (
            f"the UID in the token request ({meta['uid']}) does not match the UID of the service account ({has['uid']})"
        )
        raise status.conflict("TokenRequest", has["name"], cause, "authentication.k8s.io")
    meta.update(name=has["name"], namespace=has["namespace"], uid=has["uid"], creationTimestamp=_rfc3339(now))
    if not spec.get("audiences"):
        spec["audiences"] = list(issuer.audiences)
    if spec.get("expirationSeconds") is None:
        spec["expirationSeconds"] = DEFAULT_SECONDS
    spec.setdefault("boundObjectRef", None)


def _check_spec(spec: Object) -> None:
    field, seconds = "spec.expirationSeconds", spec["expirationSeconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise status.bad_request(f"{field} must be a number of seconds")
    if seconds < MIN_SECONDS:
        raise _invalid("", [problems.invalid(field, seconds, "may not specify a duration less than 10 minutes")])
    if seconds > 1 << 32:
        raise _invalid("", [problems.invalid(field, seconds, "may not specify a duration larger than 2^32 seconds")])


def _bound(reference: Any, namespace: str, account: str, lookup: Lookup) -> Bound:
    """What the token falls with. 404, 400, 409."""
    if not reference:
        return Bound()
    kind, name, uid = reference.get("kind", ""), reference.get("name", ""), reference.get("uid", "")
    group, version = split_api_version(reference.get("apiVersion", ""))
    if group or kind not in _BINDABLE:
        shown = f"{group}/{version}, Kind={kind}"
        raise status.bad_request(f"cannot bind token to object of type {shown}")
    plural = _BINDABLE[kind]
    found = lookup.get("", plural, "" if kind == "Node" else namespace, name)
    if found is None:
        raise status.not_found(plural, name)
    if kind == "Pod" and found["spec"].get("serviceAccountName", "") != account:
        quoted = f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
        raise status.bad_request(quoted)
    if uid and uid != found["metadata"]["uid"]:
        cause = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
        raise status.conflict(kind, name, cause + "The object might have been deleted and then recreated")
    if kind == "Pod":
        return Bound(pod=found, node=_node_of(found, lookup))
    return Bound(node=found) if kind == "Node" else Bound(secret=found)


def _node_of(pod: Object, lookup: Lookup) -> Object | None:
    name = pod["spec"].get("nodeName")
    return (lookup.get("", "nodes", "", name) or {"metadata": {"name": name}}) if name else None


def _shorten(spec: Object, limit: int) -> tuple[str, ...]:
    """In place. What to tell the client."""
    asked = spec["expirationSeconds"]
    if not limit or asked <= limit:
        return ()
    spec["expirationSeconds"] = limit
    return (f"requested expiration of {asked} seconds shortened to {limit} seconds",)


def _claims(account: Object, bound: Bound, spec: Object, issuer: Issuer, now: int, token_id: str) -> Object:
    """A pod that has not yet learnt that its token changes gets one that lasts a year, and is warned of after the
    time that it asked for."""
    seconds, warn = spec["expirationSeconds"], 0
    ours = set(spec["audiences"]) <= set(issuer.audiences)
    if bound.pod is not None and seconds == WARN_SECONDS and ours:
        seconds, warn = EXTENDED_SECONDS, seconds
    return claims_of(account, bound, spec["audiences"], seconds, now, token_id, warn)


def _invalid(name: str, found: list[problems.Problem]) -> status.StatusError:
    return status.invalid("TokenRequest", name, found, "authentication.k8s.io")


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

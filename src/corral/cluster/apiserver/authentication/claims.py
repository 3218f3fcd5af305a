"""What the token of a service account says, and whether that still holds. Pure: objects come from a Lookup."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.authentication import identity
from corral.cluster.apiserver.authentication.jwt import LEEWAY, check_times
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kind import Object

PRIVATE: Final = "kubernetes.io"
LEGACY_ISSUER: Final = "kubernetes/serviceaccount"
_LEGACY: Final = "kubernetes.io/serviceaccount/"
INVALIDATED: Final = "service account token has been invalidated"


class Bound(NamedTuple):
    """What a token is bound to: it falls with these objects. With `pod`, `node` is where that runs."""

    pod: Object | None = None
    secret: Object | None = None
    node: Object | None = None


def claims_of(
    account: Object, bound: Bound, audiences: Sequence[str], seconds: int, now: int, token_id: str, warn_after: int = 0
) -> dict[str, Any]:
    """Pure: what a token of `account` says that holds for `seconds` from `now` on.

    >>> sa = {"metadata": {"namespace": "d", "name": "web", "uid": "1"}}
    >>> claims_of(sa, Bound(), ["api"], 600, 1000, "x")["kubernetes.io"]
    {'namespace': 'd', 'serviceaccount': {'name': 'web', 'uid': '1'}}
    """
    meta = account["metadata"]
    private: dict[str, Any] = {"namespace": meta["namespace"], "serviceaccount": _reference(account)}
    for name, found in (("pod", bound.pod), ("secret", bound.secret), ("node", bound.node)):
        if found is not None:
            private[name] = _reference(found)
    if warn_after:
        private["warnafter"] = now + warn_after
    return {
        "aud": list(audiences),
        "exp": now + seconds,
        "iat": now,
        "jti": token_id,
        "nbf": now,
        "sub": identity.service_account_user(meta["namespace"], meta["name"]),
        PRIVATE: private,
    }


def _reference(found: Object) -> dict[str, str]:
    meta = found["metadata"]
    return {"name": meta["name"], "uid": meta["uid"]} if meta.get("uid") else {"name": meta["name"]}


def check_claims(claims: Mapping[str, Any], lookup: Lookup, now: int) -> User:
    """The user of a token whose signature and issuer are fine: it must not have expired, and all that it is bound to
    must still be there. BadCredentials."""
    check_times(claims, now, what="service account token")
    private = claims.get(PRIVATE)
    if not isinstance(private, dict):
        raise BadCredentials("service account token claims could not be validated due to unexpected private claim")
    namespace, account = private.get("namespace"), _read_reference(private, "serviceaccount")
    if not isinstance(namespace, str) or account is None:
        raise BadCredentials("service account token claims could not be validated due to unexpected private claim")
    _check_account(lookup, namespace, *account, now)
    secret, pod, node = (_read_reference(private, name) for name in ("secret", "pod", "node"))
    if secret is not None:
        _check_bound(lookup, "secrets", namespace, secret, "secret", now)
    if pod is not None:
        _check_bound(lookup, "pods", namespace, pod, "pod", now)
    elif node is not None:
        _check_bound(lookup, "nodes", "", node, "node", now)
    name, uid = account
    groups = identity.service_account_groups(namespace)
    user = identity.service_account_user(namespace, name)
    return User(user, uid, groups, _extra(claims.get("jti"), pod, node))


def _extra(token_id: Any, pod: tuple[str, str] | None, node: tuple[str, str] | None) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    if isinstance(token_id, str) and token_id:
        found[identity.CREDENTIAL_ID] = (f"JTI={token_id}",)
    if node is not None:
        found[identity.NODE_NAME] = (node[0],)
        if node[1]:
            found[identity.NODE_UID] = (node[1],)
    if pod is not None:
        found[identity.POD_NAME], found[identity.POD_UID] = (pod[0],), (pod[1],)
    return found


def _read_reference(private: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    found = private.get(name)
    if found is None:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise BadCredentials(f"service account token with a malformed reference to its {name}")
    uid = found.get("uid", "")
    return found["name"], uid if isinstance(uid, str) else ""


def _check_account(lookup: Lookup, namespace: str, name: str, uid: str, now: int) -> None:
    found = lookup.get("", "serviceaccounts", namespace, name)
    if found is None:
        raise BadCredentials(f'serviceaccounts "{name}" not found')
    if _is_gone(found, now):
        raise BadCredentials(f"service account {namespace}/{name} has been deleted")
    if (has := found["metadata"].get("uid", "")) != uid:
        raise BadCredentials(f"service account UID ({has}) does not match claim ({uid})")


def _check_bound(lookup: Lookup, plural: str, namespace: str, reference: tuple[str, str], what: str, now: int) -> None:
    found = lookup.get("", plural, namespace, reference[0])
    if found is None or _is_gone(found, now):
        raise BadCredentials(INVALIDATED)
    if (has := found["metadata"].get("uid", "")) != reference[1]:
        raise BadCredentials(f"{what} UID ({has}) does not match service account {what} ref claim ({reference[1]})")


def _is_gone(found: Object, now: int) -> bool:
    """Pure: whether its deletion began so long ago that clocks cannot explain it."""
    at = found["metadata"].get("deletionTimestamp")
    return bool(at) and datetime.fromisoformat(at).timestamp() < now - LEEWAY


def check_legacy(claims: Mapping[str, Any], token: str, lookup: Lookup, now: int) -> User:
    """The user of such a token: its Secret must hold the very token. BadCredentials."""
    keys = ("namespace", "secret.name", "service-account.name", "service-account.uid")
    values = [claims.get(_LEGACY + key) for key in keys]
    if not all(isinstance(value, str) and value for value in values):
        raise BadCredentials("service account token with missing claims")
    namespace, secret_name, name, uid = (str(value) for value in values)
    if claims.get("sub") != identity.service_account_user(namespace, name):
        raise BadCredentials("service account token claims could not be validated: sub does not match")
    secret = lookup.get("", "secrets", namespace, secret_name)
    if secret is None or _is_gone(secret, now) or not _holds(secret, token):
        raise BadCredentials(INVALIDATED)
    _check_account(lookup, namespace, name, uid, now)
    return User(identity.service_account_user(namespace, name), uid, identity.service_account_groups(namespace))


def _holds(secret: Object, token: str) -> bool:
    stored = (secret.get("data") or {}).get("token", "")
    return hmac.compare_digest(stored.encode(), base64.b64encode(token.encode()))

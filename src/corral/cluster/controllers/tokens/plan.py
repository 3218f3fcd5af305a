"""What becomes of a Secret of type kubernetes.io/service-account-token. Pure.

Follows k8s.io/kubernetes/pkg/controller/serviceaccount/tokens_controller.go and …/pkg/serviceaccount/legacy.go.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object

TYPE: Final = "kubernetes.io/service-account-token"
ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
ACCOUNT_UID: Final = "kubernetes.io/service-account.uid"
ISSUER: Final = "kubernetes/serviceaccount"
_PRIVATE: Final = "kubernetes.io/serviceaccount/"

Sign = Callable[[Mapping[str, Any]], str]


def account_key(secret: Object | None) -> str | None:
    """`namespace/name` of the account whose token the Secret holds; None of all other Secrets.

    >>> notes = {"kubernetes.io/service-account.name": "web"}
    >>> account_key({"type": TYPE, "metadata": {"namespace": "a", "annotations": notes}}), account_key({"metadata": {}})
    ('a/web', None)
    """
    if secret is None or secret.get("type") != TYPE:
        return None
    name = (secret["metadata"].get("annotations") or {}).get(ACCOUNT_NAME)
    return f"{meta.namespace(secret)}/{name}" if name else None


def is_token_of(secret: Object, account: Object) -> bool:
    """Whether the Secret is the account's: by name, and by uid where it names one."""
    uid = (secret["metadata"].get("annotations") or {}).get(ACCOUNT_UID)
    return account_key(secret) == meta.key(account) and uid in (None, "", meta.uid(account))


def claims_of(account: Object, secret: Object) -> dict[str, Any]:
    """What the token says. It has no end: it holds as long as the Secret is there."""
    namespace, name = meta.namespace(account), meta.name(account)
    return {
        "iss": ISSUER,
        "sub": f"system:serviceaccount:{namespace}:{name}",
        _PRIVATE + "namespace": namespace,
        _PRIVATE + "secret.name": meta.name(secret),
        _PRIVATE + "service-account.name": name,
        _PRIVATE + "service-account.uid": meta.uid(account),
    }


def plan_secret(secret: Object, account: Object, sign: Sign, authority: str) -> Object | None:
    """The Secret with what it lacks: the token, the authority's certificate, the namespace; None when it has all.

    >>> account = {"metadata": {"namespace": "a", "name": "web", "uid": "u"}}
    >>> secret = {"type": TYPE, "metadata": {"namespace": "a", "name": "s", "annotations": {ACCOUNT_NAME: "web"}}}
    >>> found = plan_secret(secret, account, lambda claims: "signed", "PEM")
    >>> found["data"], plan_secret(found, account, lambda claims: "again", "PEM")
    ({'ca.crt': 'UEVN', 'namespace': 'YQ==', 'token': 'c2lnbmVk'}, None)
    """
    data, notes = secret.get("data") or {}, secret["metadata"].get("annotations") or {}
    wanted = {"ca.crt": _encoded(authority), "namespace": data.get("namespace") or _encoded(meta.namespace(secret))}
    wanted["token"] = data.get("token") or _encoded(sign(claims_of(account, secret)))
    named = {ACCOUNT_NAME: meta.name(account), ACCOUNT_UID: meta.uid(account)}
    changed = {
        **secret,
        "data": {**data, **wanted},
        "metadata": {**secret["metadata"], "annotations": {**notes, **named}},
    }
    return None if changed == secret else changed


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def without_secret(account: Object, name: str) -> Object | None:
    """The account without its reference to a Secret that is gone; None when it has none."""
    before = account.get("secrets") or []
    rest = [one for one in before if one.get("name") != name]
    return None if len(rest) == len(before) else {**account, "secrets": rest}

"""CertificateSigningRequests: what each signer takes, and who may approve. Pure; reading and signing are beside it.

The signers are those of Kubernetes: kube-apiserver-client (people), kube-apiserver-client-kubelet and
kubelet-serving (nodes), legacy-unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.attributes import MASTERS_GROUP, Attributes, User
from corral.cluster.apiserver.authentication.identity import NODE_PREFIX, NODES
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.certificates.renewal import LEAF_LIFE
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import forbidden

GROUP: Final = "certificates.k8s.io"
CLIENT: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"
LEGACY: Final = "kubernetes.io/legacy-unknown"
SIGNERS: Final = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)
MIN_SECONDS: Final = 600
BACKDATE: Final = 300
_SHORT: Final = 8 * 3600

_SIGN, _ENCIPHER = "digital signature", "key encipherment"
_CLIENT_USAGES: Final = ({_SIGN, _ENCIPHER, "client auth"}, {_SIGN, "client auth"})
_SERVING_USAGES: Final = ({_SIGN, _ENCIPHER, "server auth"}, {_SIGN, "server auth"})


class Subject(NamedTuple):
    """What a request (PKCS#10) asks to be called."""

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()


def check_request(signer: str, asked: Subject, usages: Sequence[str]) -> str:
    """Why the signer refuses; "" when it does not.

    >>> node = Subject("system:node:a", ("system:nodes",))
    >>> check_request(KUBELET_CLIENT, node, ["digital signature", "client auth"])
    ''
    >>> check_request(KUBELET_SERVING, node, ["digital signature", "server auth"])
    'DNS or IP subjectAltName is required'
    >>> check_request(CLIENT, Subject("jane", ()), ["server auth"])
    'invalid usage for client certificate: server auth'
    """
    match signer:
        case "kubernetes.io/kube-apiserver-client":
            return _check_client_usages(usages)
        case "kubernetes.io/kube-apiserver-client-kubelet":
            return _check_kubelet_client(asked, usages)
        case "kubernetes.io/kubelet-serving":
            return _check_kubelet_serving(asked, usages)
        case _:
            return ""


def _check_client_usages(usages: Sequence[str]) -> str:
    other = [one for one in usages if one not in (_SIGN, _ENCIPHER, "client auth")]
    if other:
        return f"invalid usage for client certificate: {other[0]}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def _check_node_subject(asked: Subject) -> str:
    if asked.organizations != (NODES,):
        return "subject organization is not system:nodes"
    return "" if asked.common_name.startswith(NODE_PREFIX) else "subject common name does not begin with system:node:"


def _check_kubelet_client(asked: Subject, usages: Sequence[str]) -> str:
    if asked.organizations != (NODES,):
        return _check_node_subject(asked)
    names = (("DNS", asked.dns), ("Email", asked.emails), ("IP", asked.addresses), ("URI", asked.uris))
    given = [kind for kind, values in names if values]
    if given:
        return f"{given[0]} subjectAltNames are not allowed"
    if set(usages) not in _CLIENT_USAGES:
        return f"usages did not match [client auth {_SIGN} {_ENCIPHER}]"
    return _check_node_subject(asked)


def _check_kubelet_serving(asked: Subject, usages: Sequence[str]) -> str:
    if asked.organizations != (NODES,):
        return _check_node_subject(asked)
    if not asked.dns and not asked.addresses:
        return "DNS or IP subjectAltName is required"
    if asked.emails or asked.uris:
        return f"{'Email' if asked.emails else 'URI'} subjectAltNames are not allowed"
    if set(usages) not in _SERVING_USAGES:
        return f"usages did not match [{_SIGN} {_ENCIPHER} server auth]"
    return _check_node_subject(asked)


def plan_life(seconds: int | None, longest: int, now: int) -> tuple[int, int]:
    """When a certificate begins and ends, for what was asked (spec.expirationSeconds).

    It begins five minutes ago, for clocks that are behind; a short one does not lose these at its end.

    >>> [end - 10000 for _, end in (plan_life(asked, 86400, 10000) for asked in (None, 10**6, 60, 3600))]
    [86100, 86100, 600, 3600]
    """
    life = longest if seconds is None else min(max(seconds, MIN_SECONDS), longest)
    return now - BACKDATE, now + life - (0 if life < _SHORT else BACKDATE)


def is_due(found: Object) -> bool:
    """Whether a signer has something to do: approved, not failed, and without a certificate yet."""
    status = found.get("status") or {}
    true = {one["type"] for one in status.get("conditions") or () if one.get("status", "True") == "True"}
    return "Approved" in true and not true & {"Denied", "Failed"} and not status.get("certificate")


def failed(found: Object, cause: str, now: int) -> Object:
    """The request with the condition that says why it is not signed."""
    return _with_condition(found, {
        "type": "Failed",
        "status": "True",
        "reason": "SignerValidationFailure",
        "message": cause,
        "lastUpdateTime": _rfc3339(now),
        "lastTransitionTime": _rfc3339(now),
    })  # fmt: skip


def plan_approval(found: Object, asked: Subject, authorizer: Authorizer, now: int) -> Object | None:
    """The request as approved, when it is a kubelet's for a client certificate and the requester may have one by
    itself; None otherwise (a person decides)."""
    status, spec = found.get("status") or {}, found["spec"]
    decided = any(one["type"] in ("Approved", "Denied") for one in status.get("conditions") or ())
    if decided or status.get("certificate") or spec.get("signerName") != KUBELET_CLIENT:
        return None
    if _check_kubelet_client(asked, spec.get("usages") or ()):
        return None
    user = requester(found)
    ways = [("nodeclient", "kubelet client certificate")]
    if user.name == asked.common_name:
        ways.insert(0, ("selfnodeclient", "self kubelet client certificate"))
    for subresource, what in ways:
        question = Attributes(user, "create", GROUP, "*", "certificatesigningrequests", subresource)
        if authorizer.authorize(question).allowed:
            message = f"Auto approving {what} after SubjectAccessReview."
            return _with_condition(found, {
                "type": "Approved",
                "status": "True",
                "reason": "AutoApproved",
                "message": message,
                "lastUpdateTime": _rfc3339(now),
                "lastTransitionTime": _rfc3339(now),
            })  # fmt: skip
    return None


def requester(found: Object) -> User:
    """Who made the request, as the server wrote into it."""
    spec = found["spec"]
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("username") or "", spec.get("uid") or "", tuple(spec.get("groups") or ()), extra)


def check_approver(user: User, found: Object, verb: str, authorizer: Authorizer) -> None:
    """`verb`: approve (the subresource approval), sign (the subresource status), attest. StatusError 403."""
    signer = found["spec"]["signerName"]
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        if authorizer.authorize(Attributes(user, verb, GROUP, "*", "signers", name=name)).allowed:
            return
    name = found["metadata"]["name"]
    cause = f'user not permitted to {verb} requests with signerName "{signer}"'
    raise forbidden("certificatesigningrequests", name, cause, GROUP)


def check_subject(found: Object, asked: Subject) -> None:
    """What no request may ask for, whoever makes it. StatusError 403."""
    if found["spec"].get("signerName") == CLIENT and MASTERS_GROUP in asked.organizations:
        cause = f"use of {CLIENT} signer with {MASTERS_GROUP} group is not allowed"
        raise forbidden("certificatesigningrequests", found["metadata"].get("name", ""), cause, GROUP)


def longest_life(signer: str) -> int:
    """Seconds that certificates of a signer last at most."""
    return LEAF_LIFE if signer in SIGNERS else 0


def _with_condition(found: Object, condition: dict[str, Any]) -> Object:
    status = found.get("status") or {}
    return {**found, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

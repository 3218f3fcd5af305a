"""CertificateSigningRequests: what each signer takes, what is approved by itself, how long it lasts. Pure.

The signers are those of Kubernetes: kube-apiserver-client (people), kube-apiserver-client-kubelet and
kubelet-serving (nodes), legacy-unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from corral.model.kubernetes.kind import Object

CLIENT: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"
LEGACY: Final = "kubernetes.io/legacy-unknown"
SIGNERS: Final = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)
MIN_SECONDS: Final = 600
BACKDATE: Final = 300
_SHORT: Final = 8 * 3600
_LONGEST: Final = 365 * 86400
_NODES, _NODE_PREFIX = "system:nodes", "system:node:"
_APPROVING: Final = "Auto approving {} after SubjectAccessReview."

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
    if asked.organizations != (_NODES,):
        return "subject organization is not system:nodes"
    return "" if asked.common_name.startswith(_NODE_PREFIX) else "subject common name does not begin with system:node:"


def _check_kubelet_client(asked: Subject, usages: Sequence[str]) -> str:
    if asked.organizations != (_NODES,):
        return _check_node_subject(asked)
    names = (("DNS", asked.dns), ("Email", asked.emails), ("IP", asked.addresses), ("URI", asked.uris))
    given = [kind for kind, values in names if values]
    if given:
        return f"{given[0]} subjectAltNames are not allowed"
    if set(usages) not in _CLIENT_USAGES:
        return f"usages did not match [client auth {_SIGN} {_ENCIPHER}]"
    return _check_node_subject(asked)


def _check_kubelet_serving(asked: Subject, usages: Sequence[str]) -> str:
    if asked.organizations != (_NODES,):
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
    return _with_condition(found, "Failed", "SignerValidationFailure", cause, now)


class Approval(NamedTuple):
    """What the requester must be allowed to create (below certificatesigningrequests), and what is then said."""

    subresource: str
    message: str


def plan_approval(found: Object, asked: Subject) -> tuple[Approval, ...]:
    """How a request may be approved by itself, each way in turn: a kubelet's for its client certificate. Empty: a
    person decides, or has decided.

    >>> spec = {"signerName": KUBELET_CLIENT, "usages": ["digital signature", "client auth"], "username": "joiner"}
    >>> plan_approval({"spec": spec}, Subject("system:node:a", ("system:nodes",)))[0].subresource
    'nodeclient'
    """
    status, spec = found.get("status") or {}, found["spec"]
    decided = any(one["type"] in ("Approved", "Denied") for one in status.get("conditions") or ())
    if decided or status.get("certificate") or spec.get("signerName") != KUBELET_CLIENT:
        return ()
    if _check_kubelet_client(asked, spec.get("usages") or ()):
        return ()
    anybody = Approval("nodeclient", _APPROVING.format("kubelet client certificate"))
    itself = Approval("selfnodeclient", _APPROVING.format("self kubelet client certificate"))
    return (itself, anybody) if spec.get("username") == asked.common_name else (anybody,)


def plan_serving_approval(found: Object, asked: Subject, nodes: Iterable[Object]) -> str:
    """What is said when a kubelet's request for its server's certificate is approved by itself; "" when it is not.

    Upstream leaves these to people, as a node could ask for any name. Here it gets its own: the node that asks, with
    no name but its own, and addresses that its Node object has and no other node has.

    >>> spec = {"signerName": KUBELET_SERVING, "usages": ["digital signature", "server auth"]}
    >>> spec |= {"username": "system:node:a", "groups": ["system:nodes"]}
    >>> def node(name, address):
    ...     return {"metadata": {"name": name}, "status": {"addresses": [{"type": "InternalIP", "address": address}]}}
    >>> asked = Subject("system:node:a", ("system:nodes",), ("a",), ("10.0.0.7",))
    >>> [bool(plan_serving_approval({"spec": spec}, asked, nodes)) for nodes in (
    ...     [node("a", "10.0.0.7")], [node("a", "10.0.0.8")], [node("a", "10.0.0.7"), node("b", "10.0.0.7")])]
    [True, False, False]
    """
    status, spec = found.get("status") or {}, found["spec"]
    decided = any(one["type"] in ("Approved", "Denied") for one in status.get("conditions") or ())
    if decided or status.get("certificate") or spec.get("signerName") != KUBELET_SERVING:
        return ""
    if _check_kubelet_serving(asked, spec.get("usages") or ()):
        return ""
    if spec.get("username") != asked.common_name or _NODES not in (spec.get("groups") or ()):
        return ""
    name = asked.common_name.removeprefix(_NODE_PREFIX)
    known = {one["metadata"]["name"]: _addresses(one) for one in nodes}
    others = {address for node, addresses in known.items() if node != name for address in addresses}
    own = known.get(name, set()) - others
    if set(asked.dns) <= {name} and set(asked.addresses) <= own:
        return "Auto approving kubelet serving certificate: its names are the node's own."
    return ""


def _addresses(node: Object) -> set[str]:
    return {one["address"] for one in (node.get("status") or {}).get("addresses") or ()}


def approved(found: Object, message: str, now: int) -> Object:
    """The request with the condition that a controller has approved it."""
    return _with_condition(found, "Approved", "AutoApproved", message, now)


def longest_life(signer: str) -> int:
    """Seconds that certificates of a signer last at most."""
    return _LONGEST if signer in SIGNERS else 0


def _with_condition(found: Object, kind: str, reason: str, message: str, now: int) -> Object:
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
    }
    status = found.get("status") or {}
    return {**found, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}

"""Who may approve and sign CertificateSigningRequests, and what none may ask for: checks of their writes."""

from __future__ import annotations

from typing import Final

from corral.cluster.apiserver.attributes import MASTERS_GROUP, Attributes, User
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.model.kubernetes.certificate_requests import CLIENT, Subject
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import forbidden

GROUP: Final = "certificates.k8s.io"


def check_approver(user: User, found: Object, verb: str, authorizer: Authorizer) -> None:
    """`verb`: approve (a change of the subresource approval), sign (of status: certificate or conditions).

    The right is one for the signer, or for all of its domain (`example.com/*`). StatusError 403.
    """
    signer = found["spec"]["signerName"]
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        if authorizer.authorize(Attributes(user, verb, GROUP, "*", "signers", name=name)).allowed:
            return
    cause = f'user not permitted to {verb} requests with signerName "{signer}"'
    raise forbidden("certificatesigningrequests", found["metadata"]["name"], cause, GROUP)


def check_subject(found: Object, asked: Subject) -> None:
    """What no request may ask for, whoever makes it. StatusError 403."""
    if found["spec"].get("signerName") == CLIENT and MASTERS_GROUP in asked.organizations:
        cause = f"use of {CLIENT} signer with {MASTERS_GROUP} group is not allowed"
        raise forbidden("certificatesigningrequests", found["metadata"].get("name", ""), cause, GROUP)

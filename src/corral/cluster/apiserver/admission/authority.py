"""Rights that are given in objects: nobody writes a role that gives more than they have, or approves what they may not.

These checks are the API's own, not settings of a cluster: RBAC's rules against escalation, and the rules about
certificate requests (who asks is written into them; signers have their own approvers).
"""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.apiserver.attributes import Admission, User
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.authorization.escalation import check_binding, check_role
from corral.cluster.apiserver.authorization.rbac import Rbac
from corral.cluster.apiserver.authorization.signers import GROUP as CERTIFICATES
from corral.cluster.apiserver.authorization.signers import check_approver, check_subject
from corral.errors import InvalidInput
from corral.model.kubernetes.kind import Object

RBAC: Final = "rbac.authorization.k8s.io"
REQUESTS: Final = "certificatesigningrequests"


class Authority:
    """A plugin of the chain."""

    def __init__(self, authorizer: Authorizer, rbac: Rbac) -> None:
        self._authorizer, self._rbac = authorizer, rbac

    async def admit(self, admission: Admission) -> None:
        """Writes into a certificate request who makes it."""
        if admission.operation == "CREATE" and self._is_request(admission) and admission.object is not None:
            admission.object = with_requester(admission.object, admission.user)

    async def validate(self, admission: Admission) -> None:
        """StatusError 403."""
        new, old = admission.object, admission.old
        if new is None or admission.operation not in ("CREATE", "UPDATE"):
            return
        if admission.resource.group == RBAC and not admission.subresource:
            self._check_rbac(admission.user, admission.resource.plural, new, old)
        elif self._is_request(admission):
            self._check_request(admission, new, old)

    @staticmethod
    def _is_request(admission: Admission) -> bool:
        return admission.resource.group == CERTIFICATES and admission.resource.plural == REQUESTS

    def _check_rbac(self, user: User, plural: str, new: Object, old: Object | None) -> None:
        if plural in ("roles", "clusterroles"):
            check_role(user, new, old, self._authorizer, self._rbac)
        elif plural in ("rolebindings", "clusterrolebindings"):
            check_binding(user, new, old, self._authorizer, self._rbac)

    def _check_request(self, admission: Admission, new: Object, old: Object | None) -> None:
        user, subresource = admission.user, admission.subresource
        if subresource == "approval":
            check_approver(user, new, "approve", self._authorizer)
        elif subresource == "status" and _certificate(new) != _certificate(old or {}):
            check_approver(user, new, "sign", self._authorizer)
        elif not subresource and old is None:
            from corral.cluster.apiserver.certificates.signing import read_subject

            try:
                asked = read_subject((new.get("spec") or {}).get("request") or "")
            except InvalidInput:
                return  # what cannot be read is refused by validation, or by its signer
            check_subject(new, asked)


def _certificate(request: Object) -> Any:
    return (request.get("status") or {}).get("certificate")


def with_requester(request: Object, user: User) -> Object:
    """Pure: a certificate request that says who makes it, whatever the client wrote.

    >>> with_requester({"spec": {"username": "root", "request": "x"}}, User("jane", groups=("dev",)))
    {'spec': {'request': 'x', 'username': 'jane', 'groups': ['dev']}}
    """
    names = ("username", "uid", "groups", "extra")
    spec = {key: value for key, value in (request.get("spec") or {}).items() if key not in names}
    spec["username"] = user.name
    if user.uid:
        spec["uid"] = user.uid
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {**request, "spec": spec}

"""What the platform's controllers are given in this process: keys, authorization, directories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.certificates.signing import plan_signing, read_subject
from corral.cluster.controllers.nodeipam.allocate import Pool, make_pool
from corral.cluster.controllers.nodelifecycle.health import GRACE_SECONDS
from corral.cluster.controllers.persistentvolume.local import LocalDirectories
from corral.cluster.controllers.platform import Means
from corral.cluster.kubelet.network import families_of, ranges

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.apiserver.authorization.decision import Authorizer
    from corral.cluster.apiserver.certificates.pki import Pki
    from corral.model.kubernetes.certificate_requests import Subject
    from corral.model.kubernetes.kind import Object

VOLUMES: Final = "volumes"


def requester(found: Object) -> User:
    """Pure: who made a CertificateSigningRequest, as the server has noted it down.

    >>> requester({"spec": {"username": "jane", "groups": ["a"], "extra": {"k": ["v"]}}})
    User(name='jane', uid='', groups=('a',), extra={'k': ('v',)})
    """
    spec = found["spec"]
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("username", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)


class AuthoritySigner:
    """Signs with the cluster's own authority, whose key is read from its file each time: it is seldom needed."""

    def __init__(self, pki: Pki, authorizer: Authorizer) -> None:
        self._file, self._authorizer = pki.folder / "ca.pem", authorizer

    def subject(self, request: str) -> Subject:
        """InvalidInput."""
        return read_subject(request)

    def sign(self, found: Object, now: int) -> Object | None:
        return plan_signing(found, self._file.read_text(), now)

    async def may_create(self, found: Object, subresource: str) -> bool:
        asked = Attributes(
            requester(found),
            "create",
            "certificates.k8s.io",
            "v1",
            "certificatesigningrequests",
            subresource,
        )
        return self._authorizer.authorize(asked).allowed


def means(
    api: Kubernetes,
    pki: Pki,
    folder: Path,
    node_grace: float = GRACE_SECONDS,
) -> Means:
    """For controllers beside this server. `folder`: the cluster's own; local volumes are in a directory of it."""
    pools: tuple[Pool, ...] = tuple(make_pool(one) for one in ranges(families_of(api.options.networks)))
    return Means(
        resources=api.resources,
        authority=pki.ca,
        sign_token=api.issuer.sign,
        signer=AuthoritySigner(pki, api.authorizer),
        directories=LocalDirectories(str(folder / VOLUMES)),
        pools=pools,
        node_grace=node_grace,
        undiscovered=api.services.stale,
    )

"""The default roles and bindings as objects, made of the data beside this file. Pure."""

from __future__ import annotations

from typing import Final

from corral.cluster.apiserver.authorization.defaults.components import COMPONENTS
from corral.cluster.apiserver.authorization.defaults.controllers import CONTROLLERS, PREFIX
from corral.cluster.apiserver.authorization.defaults.notation import aggregate_to, aggregated, binding, role
from corral.cluster.apiserver.authorization.defaults.people import ADMIN, EDIT, PEOPLE, VIEW
from corral.model.kubernetes.kind import Object

_BOUND: Final = {
    "cluster-admin": "group:system:masters",
    "system:monitoring": "group:system:monitoring",
    "system:discovery": "group:system:authenticated",
    "system:basic-user": "group:system:authenticated",
    "system:public-info-viewer": "group:system:authenticated group:system:unauthenticated",
    "system:node-proxier": "user:system:kube-proxy",
    "system:kube-controller-manager": "user:system:kube-controller-manager",
    "system:kube-dns": "account:kube-system/kube-dns",
    "system:kube-scheduler": "user:system:kube-scheduler",
    "system:volume-scheduler": "user:system:kube-scheduler",
    "system:kubelet-api-admin": "user:kube-apiserver-kubelet-client",  # the API server's own certificate for kubelets
    "system:node": "",  # nodes have their own authorizer
    "system:service-account-issuer-discovery": "group:system:serviceaccounts",
}
_AUTHENTICATION_READER: Final = "extension-apiserver-authentication-reader"
_SIGNER: Final = f"{PREFIX}bootstrap-signer"
_CLEANER: Final = f"{PREFIX}token-cleaner"
_PROVIDER: Final = f"{PREFIX}cloud-provider"
_LOCKING: Final = "system::leader-locking-kube-"


def cluster_roles() -> list[Object]:
    """
    >>> view = next(one for one in cluster_roles() if one["metadata"]["name"] == "view")
    >>> view["aggregationRule"]["clusterRoleSelectors"]
    [{'matchLabels': {'rbac.authorization.k8s.io/aggregate-to-view': 'true'}}]
    """
    found = [role(name, lines) for name, lines in {**PEOPLE, **COMPONENTS}.items()]
    found.append(aggregated("admin"))
    found.append(aggregated("edit", {aggregate_to("admin"): "true"}))
    found.append(aggregated("view", {aggregate_to("edit"): "true"}))
    for name, lines in (("admin", ADMIN), ("edit", EDIT), ("view", VIEW)):
        found.append(role(f"system:aggregate-to-{name}", lines, labels={aggregate_to(name): "true"}))
    return found + [role(PREFIX + name, lines) for name, lines in CONTROLLERS.items()]


def cluster_role_bindings() -> list[Object]:
    found = [binding(name, subjects) for name, subjects in _BOUND.items()]
    return found + [binding(PREFIX + name, f"account:kube-system/{name}") for name in CONTROLLERS]


def roles() -> list[Object]:
    system, public = "kube-system", "kube-public"
    reader = ("READ; core; configmaps; extension-apiserver-authentication",)
    signing = ("READ; core; configmaps", "update; core; configmaps; cluster-info", "EVENTS")
    managing = (
        "watch; core; configmaps",
        "get update; core; configmaps; kube-controller-manager",
        "READ create update; coordination.k8s.io; leases",
    )
    scheduling = ("watch; core; configmaps", "get update; core; configmaps; kube-scheduler")
    return [
        role(_AUTHENTICATION_READER, reader, system),
        role(_SIGNER, ("READ; core; secrets",), system),
        role(_PROVIDER, ("create get list watch; core; configmaps",), system),
        role(_CLEANER, ("READ delete; core; secrets", "EVENTS"), system),
        role(f"{_LOCKING}controller-manager", managing, system),
        role(f"{_LOCKING}scheduler", scheduling, system),
        role(_SIGNER, signing, public),
    ]


def role_bindings() -> list[Object]:
    system, manager, scheduler = "kube-system", "kube-controller-manager", "kube-scheduler"
    readers = f"user:system:{manager} user:system:{scheduler}"
    return [
        binding("system::" + _AUTHENTICATION_READER, readers, system, _AUTHENTICATION_READER),
        binding(f"{_LOCKING}controller-manager", f"user:system:{manager} account:{system}/{manager}", system),
        binding(f"{_LOCKING}scheduler", f"user:system:{scheduler} account:{system}/{scheduler}", system),
        binding(_SIGNER, f"account:{system}/bootstrap-signer", system),
        binding(_PROVIDER, f"account:{system}/cloud-provider", system),
        binding(_CLEANER, f"account:{system}/token-cleaner", system),
        binding(_SIGNER, f"account:{system}/bootstrap-signer", "kube-public"),
    ]

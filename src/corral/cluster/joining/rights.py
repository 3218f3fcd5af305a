"""What must be in the API for nodes to join, under kubeadm's names. Pure.

A token's user may ask for a certificate; the controllers approve and sign it. Whoever has the certificate is a node
(the authorizer of nodes), and may read what a proxy and routes need (`corral:node`).
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from corral.cluster.client.protocol import Collection
from corral.errors import InvalidInput
from corral.model.kubernetes.bootstrap_tokens import NAMESPACE, SECRET_TYPE

Object = dict[str, Any]

SECRETS: Final = Collection("", "v1", "secrets")
CONFIG_MAPS: Final = Collection("", "v1", "configmaps")
ROLES: Final = Collection("rbac.authorization.k8s.io", "v1", "roles")
ROLE_BINDINGS: Final = Collection("rbac.authorization.k8s.io", "v1", "rolebindings")
CLUSTER_ROLES: Final = Collection("rbac.authorization.k8s.io", "v1", "clusterroles")
CLUSTER_ROLE_BINDINGS: Final = Collection("rbac.authorization.k8s.io", "v1", "clusterrolebindings")

TOKEN_GROUP: Final = "system:bootstrappers:kubeadm:default-node-token"
INFO: Final = "cluster-info"
PUBLIC: Final = "kube-public"
_RBAC: Final = "rbac.authorization.k8s.io"
_TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_READ: Final = ["get", "list", "watch"]
_NODE_RULES: Final[list[Object]] = [  # what the proxy, its policies and the routes of a node are made of
    {"apiGroups": [""], "resources": ["services", "pods", "namespaces", "nodes"], "verbs": _READ},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies", "servicecidrs"], "verbs": _READ},
]
_BINDINGS: Final = (
    ("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", TOKEN_GROUP),
    (
        "kubeadm:node-autoapprove-bootstrap",
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        TOKEN_GROUP,
    ),
    (
        "kubeadm:node-autoapprove-certificate-rotation",
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        "system:nodes",
    ),
    ("kubeadm:get-nodes", "kubeadm:get-nodes", TOKEN_GROUP),
    ("corral:node", "corral:node", "system:nodes"),
)


def split_token(token: str) -> tuple[str, str]:
    """(id, secret). InvalidInput.

    >>> split_token("abcdef.0123456789abcdef")
    ('abcdef', '0123456789abcdef')
    """
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise InvalidInput("a token has 6 and 16 small letters and digits with a dot between them")
    return found[1], found[2]


def plan_token(token: str, expiration: str, description: str) -> Object:
    """The Secret of a bootstrap token; `expiration` is a time, "" for one that does not end."""
    id, secret = split_token(token)
    values = {
        "token-id": id,
        "token-secret": secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": TOKEN_GROUP,
        "description": description,
        "expiration": expiration,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{id}", "namespace": NAMESPACE},
        "type": SECRET_TYPE,
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items() if text},
    }


def plan_rights() -> list[tuple[Collection, Object]]:
    """Roles and bindings, to be applied.

    >>> [obj["metadata"]["name"] for _, obj in plan_rights()][:2]
    ['corral:node', 'kubeadm:get-nodes']
    """
    look = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]
    roles = (_role("corral:node", _NODE_RULES), _role("kubeadm:get-nodes", look))
    found: list[tuple[Collection, Object]] = [(CLUSTER_ROLES, role) for role in roles]
    for name, role, group in _BINDINGS:
        found.append((CLUSTER_ROLE_BINDINGS, _binding("ClusterRoleBinding", name, "ClusterRole", role, _group(group))))
    return found


def _role(name: str, rules: list[Object]) -> Object:
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


def plan_info(server: str, authority: str) -> list[tuple[Collection, Object]]:
    """The public ConfigMap by which who joins learns the cluster's certificate, and everybody's right to read it."""
    name = "kubeadm:bootstrap-signer-clusterinfo"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [INFO], "verbs": ["get"]}]
    meta = {"name": name, "namespace": PUBLIC}
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules}
    anybody = {"kind": "User", "name": "system:anonymous", "apiGroup": _RBAC}
    binding = _binding("RoleBinding", name, "Role", name, anybody, PUBLIC)
    info = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": INFO, "namespace": PUBLIC},
        "data": {"kubeconfig": _public_kubeconfig(server, authority)},
    }
    return [(CONFIG_MAPS, info), (ROLES, role), (ROLE_BINDINGS, binding)]


def _public_kubeconfig(server: str, authority: str) -> str:
    data = base64.b64encode(authority.encode()).decode()
    cluster = f'- cluster:\n    certificate-authority-data: {data}\n    server: "{server}"\n  name: ""\n'
    return f"apiVersion: v1\nkind: Config\nclusters:\n{cluster}"


def parse_info(info: Object) -> str:
    """The cluster's certificate (PEM) in that ConfigMap. InvalidInput.

    >>> _, info = plan_info("https://a:6443", "PEM")[0]
    >>> parse_info(info)
    'PEM'
    """
    for line in (info.get("data") or {}).get("kubeconfig", "").splitlines():
        key, _, value = line.strip().partition(":")
        if key == "certificate-authority-data":
            try:
                return base64.b64decode(value.strip(' "'), validate=True).decode()
            except ValueError:
                break
    raise InvalidInput(f"the server's {INFO} names no certificate")


def _group(name: str) -> Object:
    return {"kind": "Group", "name": name, "apiGroup": _RBAC}


def _binding(kind: str, name: str, role_kind: str, role: str, subject: Object, namespace: str = "") -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": role},
        "subjects": [subject],
    }

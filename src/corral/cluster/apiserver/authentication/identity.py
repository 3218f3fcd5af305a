"""Names that Kubernetes gives to those who are no people: service accounts and nodes. Pure."""

from __future__ import annotations

from typing import Final

from corral.model.kubernetes.names import dns_label, dns_subdomain

SERVICE_ACCOUNT_PREFIX: Final = "system:serviceaccount:"
ALL_SERVICE_ACCOUNTS: Final = "system:serviceaccounts"
NODE_PREFIX: Final = "system:node:"
NODES: Final = "system:nodes"

CREDENTIAL_ID: Final = "authentication.kubernetes.io/credential-id"
POD_NAME: Final = "authentication.kubernetes.io/pod-name"
POD_UID: Final = "authentication.kubernetes.io/pod-uid"
NODE_NAME: Final = "authentication.kubernetes.io/node-name"
NODE_UID: Final = "authentication.kubernetes.io/node-uid"


def service_account_user(namespace: str, name: str) -> str:
    return f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, str]:
    return ALL_SERVICE_ACCOUNTS, f"{ALL_SERVICE_ACCOUNTS}:{namespace}"


def split_service_account(user: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name; None for others.

    >>> split_service_account("system:serviceaccount:default:web"), split_service_account("jane")
    (('default', 'web'), None)
    """
    if not user.startswith(SERVICE_ACCOUNT_PREFIX):
        return None
    parts = user.removeprefix(SERVICE_ACCOUNT_PREFIX).split(":")
    if len(parts) != 2 or dns_label(parts[0]) or dns_subdomain(parts[1]):
        return None
    return parts[0], parts[1]


def node_name(user: str) -> str:
    """The node of a kubelet's user name; "" for others.

    >>> node_name("system:node:a"), node_name("system:node:"), node_name("jane")
    ('a', '', '')
    """
    name = user.removeprefix(NODE_PREFIX)
    return name if user.startswith(NODE_PREFIX) and not dns_subdomain(name) else ""

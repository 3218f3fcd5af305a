"""What a kubelet may do: a node reads what its own pods need, and writes its own objects.

It has no opinion about others, and never refuses for good: the roles are asked next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authentication.identity import NODES, node_name
from corral.cluster.apiserver.authorization.decision import Decision, Rules
from corral.cluster.apiserver.authorization.defaults.components import NODE
from corral.cluster.apiserver.authorization.defaults.notation import rule
from corral.cluster.apiserver.authorization.relations import Relations
from corral.cluster.apiserver.authorization.rules import compile_rule

LEASES: Final = "kube-node-lease"
_RULES: Final = tuple(compile_rule(rule(line)) for line in NODE)
_ALLOWED: Final = Decision(True)
_UNDECIDED: Final = Decision(False)
_OWN_VERBS: Final = ("get", "create", "update", "patch", "delete")
_READ: Final = ("get", "list", "watch")


class Node:
    """The authorizer of kubelets: users system:node:NAME in the group system:nodes."""

    def __init__(self, relations: Relations) -> None:
        self._relations = relations
        self._special: dict[tuple[str, str], Callable[[str, Attributes], Decision]] = {
            ("", "secrets"): lambda node, asked: self._read(node, asked, "secret"),
            ("", "configmaps"): lambda node, asked: self._read(node, asked, "configmap"),
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): lambda node, asked: self._get(node, asked, "pv"),
            ("resource.k8s.io", "resourceclaims"): lambda node, asked: self._get(node, asked, "resourceclaim"),
            ("storage.k8s.io", "volumeattachments"): lambda node, asked: self._get(node, asked, "attachment"),
            ("", "serviceaccounts"): self._service_account,
            ("coordination.k8s.io", "leases"): plan_lease,
            ("storage.k8s.io", "csinodes"): plan_csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("", "nodes"): plan_node,
            ("", "pods"): self._pod,
        }

    def authorize(self, attributes: Attributes) -> Decision:
        user = attributes.user
        if NODES not in user.groups or not user.name.startswith("system:node:"):
            return _UNDECIDED
        node = node_name(user.name)
        if not node:
            return Decision(False, f'unknown node for user "{user.name}"')
        special = self._special.get((attributes.group, attributes.resource)) if attributes.is_resource else None
        if special is not None:
            return special(node, attributes)
        return Decision(any(one.allows(attributes) for one in _RULES))

    def rules_for(self, user: User, namespace: str) -> Rules:
        if NODES not in user.groups or not user.name.startswith("system:node:"):
            return Rules(())
        return Rules((), incomplete=True, error="node authorizer does not support user rule resolution")

    def _related(self, node: str, asked: Attributes, kind: str) -> Decision:
        if not asked.name:
            return Decision(False, "No Object name found")
        if self._relations.is_related(node, kind, asked.namespace, asked.name):
            return _ALLOWED
        return Decision(False, f"no relationship found between node '{node}' and this object")

    def _get(self, node: str, asked: Attributes, kind: str) -> Decision:
        if asked.verb != "get":
            return Decision(False, "can only get individual resources of this type")
        if asked.subresource:
            return Decision(False, "cannot get subresource")
        return self._related(node, asked, kind)

    def _read(self, node: str, asked: Attributes, kind: str) -> Decision:
        if asked.verb not in _READ:
            return Decision(False, "can only read resources of this type")
        if asked.subresource:
            return Decision(False, "cannot read subresource")
        if not asked.namespace:
            return Decision(False, "can only read namespaced object of this type")
        return self._related(node, asked, kind)

    def _claim(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource != "status":
            return self._get(node, asked, "pvc")
        if asked.verb not in ("update", "patch"):
            return Decision(False, "can only get/update/patch this type")
        return self._related(node, asked, "pvc")

    def _service_account(self, node: str, asked: Attributes) -> Decision:
        if asked.verb == "get" and not asked.subresource:
            return self._related(node, asked, "serviceaccount")
        if asked.verb != "create" or not asked.name:
            return Decision(False, "can only create tokens for individual service accounts")
        if asked.subresource != "token":
            return Decision(False, "can only create token subresource of serviceaccount")
        return self._related(node, asked, "serviceaccount")

    def _slice(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource:
            return Decision(False, "cannot authorize ResourceSlice subresources")
        if asked.verb == "create":
            return _ALLOWED
        if asked.verb in _OWN_VERBS:
            return self._related(node, asked, "slice")
        if asked.verb not in ("watch", "list", "deletecollection"):
            known = "get, watch, list, create, update, patch, delete, deletecollection"
            return Decision(False, f"only the following verbs are allowed for a ResourceSlice: {known}")
        if selects_only(asked.field_selector, "spec.nodeName", node):
            return _ALLOWED
        return Decision(False, "can only list/watch/deletecollection resourceslices with nodeName field selector")

    def _pod(self, node: str, asked: Attributes) -> Decision:
        match asked.subresource, asked.verb:
            case "", "get":
                return self._get(node, asked, "pod")
            case "", "list" | "watch":
                if selects_only(asked.field_selector, "spec.nodeName", node):
                    return _ALLOWED
                if asked.name:
                    return self._related(node, asked, "pod")
                return Decision(False, "can only list/watch pods with spec.nodeName field selector")
            case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
                return _ALLOWED  # admission (NodeRestriction) sees to it that they are its own
            case _:
                return _UNDECIDED


def plan_node(node: str, asked: Attributes) -> Decision:
    """Pure: a node reads itself, and writes itself and its status."""
    match asked.subresource, asked.verb:
        case ("", "create" | "update" | "patch") | ("status", "update" | "patch"):
            return _ALLOWED
        case "", "get" | "list" | "watch":
            if asked.name == node:
                return _ALLOWED
            what = f"cannot read '{asked.name}'" if asked.name else "cannot read all nodes"
            return Decision(False, f"node '{node}' {what}, only its own Node object")
        case _:
            return _UNDECIDED


def plan_lease(node: str, asked: Attributes) -> Decision:
    """Pure: a node has one lease, by which it shows that it lives."""
    if asked.verb not in _OWN_VERBS:
        return Decision(False, "can only get, create, update, patch, or delete a node lease")
    if asked.namespace != LEASES:
        return Decision(False, f'can only access leases in the "{LEASES}" system namespace')
    if asked.verb != "create" and asked.name != node:
        return Decision(False, "can only access node lease with the same name as the requesting node")
    return _ALLOWED


def plan_csi_node(node: str, asked: Attributes) -> Decision:
    """Pure: a node says in one object which storage drivers it has."""
    if asked.verb not in _OWN_VERBS:
        return Decision(False, "can only get, create, update, patch, or delete a CSINode")
    if asked.subresource:
        return Decision(False, "cannot authorize CSINode subresources")
    if asked.verb != "create" and asked.name != node:
        return Decision(False, "can only access CSINode with the same name as the requesting node")
    return _ALLOWED


def selects_only(selector: str, field: str, value: str) -> bool:
    """Pure: whether a field selector asks for no more than `field=value`.

    >>> [selects_only(text, "a", "1") for text in ("a=1", "b!=2,a==1", "a!=1", "a=11", "")]
    [True, True, False, False, False]
    """
    return any(part in (f"{field}={value}", f"{field}=={value}") for part in selector.split(","))

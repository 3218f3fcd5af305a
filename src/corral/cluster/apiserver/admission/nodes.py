"""NodeRestriction: a kubelet writes only its own node, and pods that run there.

Follows plugin/pkg/admission/noderestriction.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.apiserver.admission.plugin import Base, Object, refused
from corral.cluster.apiserver.admission.service_accounts import MIRROR
from corral.cluster.apiserver.attributes import Admission, User
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kinds.fields import annotations_of, labels_of, objects, part, text

GROUP: Final = "system:nodes"
PREFIX: Final = "system:node:"
RESTRICTED: Final = "node-restriction.kubernetes.io/"


def node_of(user: User) -> str:
    """Pure: which node asks; "" if none does.

    >>> node_of(User("system:node:a", groups=("system:nodes",))), node_of(User("jane"))
    ('a', '')
    """
    return user.name.removeprefix(PREFIX) if GROUP in user.groups and user.name.startswith(PREFIX) else ""


class NodeRestriction(Base):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def validate(self, admission: Admission) -> None:
        if GROUP not in admission.user.groups:
            return
        node = node_of(admission.user)
        if not node:
            raise refused(admission, f'could not determine node from user "{admission.user.name}"')
        resource = admission.resource
        key = (resource.group, resource.plural)
        if key == ("", "pods"):
            self._pod(admission, node)
        elif key == ("", "nodes"):
            self._node(admission, node)
        elif key == ("coordination.k8s.io", "leases"):
            self._lease(admission, node)
        elif key == ("storage.k8s.io", "csinodes") and admission.name != node:
            raise refused(admission, f'node "{node}" can only access CSINode with the same name as the requesting node')
        elif key == ("", "serviceaccounts") and admission.subresource == "token":
            self._token(admission, node)

    def _pod(self, admission: Admission, node: str) -> None:
        obj = admission.object
        if admission.subresource not in ("", "status", "eviction"):
            raise refused(
                admission,
                f"unexpected pod subresource \"{admission.subresource}\", only 'status' and 'eviction' are allowed",
            )
        if admission.operation == "CREATE" and not admission.subresource and obj is not None:
            if MIRROR not in annotations_of(obj):
                text_ = f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
                raise refused(admission, text_)
            if text(part(obj, "spec"), "nodeName") != node:
                raise refused(admission, f'node "{node}" can only create pods with spec.nodeName set to itself')
            return
        found = admission.old or self._lookup.get("", "pods", admission.namespace, admission.name)
        if found is not None and text(part(found, "spec"), "nodeName") != node:
            verb = {"DELETE": "delete", "UPDATE": "update"}.get(admission.operation, "evict")
            raise refused(admission, f'node "{node}" can only {verb} pods with spec.nodeName set to itself')

    @staticmethod
    def _node(admission: Admission, node: str) -> None:
        if admission.name != node:
            raise refused(admission, f'node "{node}" is not allowed to modify node "{admission.name}"')
        new, old = admission.object, admission.old
        if new is None:
            return
        if old is not None and objects(part(new, "spec"), "taints") != objects(part(old, "spec"), "taints"):
            raise refused(admission, f'node "{node}" is not allowed to modify taints')
        before, after = labels_of(old or {}), labels_of(new)
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        wrong = [key for key in changed if RESTRICTED in key and key.split("/")[0].endswith(RESTRICTED.rstrip("/"))]
        if wrong:
            verb = "set" if old is None else "modify"
            raise refused(admission, f'node "{node}" is not allowed to {verb} labels: {", ".join(wrong)}')

    @staticmethod
    def _lease(admission: Admission, node: str) -> None:
        if admission.namespace != "kube-node-lease":
            text_ = 'can only access leases in the "kube-node-lease" system namespace'
            raise refused(admission, text_)
        if admission.name != node:
            raise refused(admission, "can only access node lease with the same name as the requesting node")

    def _token(self, admission: Admission, node: str) -> None:
        """Only tokens of pods that run on the node."""
        ref: Object = part(admission.object or {}, "spec", "boundObjectRef")
        if text(ref, "kind") != "Pod":
            raise refused(admission, "node requested token not bound to a pod")
        pod = self._lookup.get("", "pods", admission.namespace, text(ref, "name"))
        if pod is None or text(part(pod, "spec"), "nodeName") != node:
            raise refused(admission, "node requested token bound to a pod scheduled on a different node")

"""NamespaceLifecycle: nothing is made in a namespace that is not there or is going; three namespaces never go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.status import StatusError, forbidden, not_found

IMMORTAL: Final = ("default", "kube-system", "kube-public")
# These only ask a question; nothing is kept of them.
_REVIEWS: Final = ("localsubjectaccessreviews",)


class NamespaceLifecycle:
    """`fresh` waits until `lookup` knows everything that the store does."""

    def __init__(self, lookup: Lookup, fresh: Callable[[], Awaitable[int]]) -> None:
        self._lookup, self._fresh = lookup, fresh

    async def admit(self, admission: Admission) -> None:
        resource = admission.resource
        is_namespace = resource.plural == "namespaces" and not resource.group
        if admission.operation == "DELETE" and is_namespace and admission.name in IMMORTAL:
            raise forbidden("namespaces", admission.name, "this namespace may not be deleted")
        if not admission.namespace or is_namespace or resource.plural in _REVIEWS:
            return
        if admission.operation != "CREATE":
            return
        await self._fresh()
        found = self._lookup.get("", "namespaces", "", admission.namespace)
        if found is None:
            raise not_found("namespaces", admission.namespace)
        if is_terminating(found):
            raise terminating(admission)

    async def validate(self, admission: Admission) -> None:
        """Everything is said before anything changes the object."""


def is_terminating(namespace: dict[str, Any]) -> bool:
    phase = (namespace.get("status") or {}).get("phase")
    return phase == "Terminating" or bool(namespace["metadata"].get("deletionTimestamp"))


def terminating(admission: Admission) -> StatusError:
    """The 403 that controllers know: its cause tells them to stop trying."""
    resource, namespace = admission.resource, admission.namespace
    text = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(resource.plural, admission.name, text, resource.group)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details["causes"] = [cause]
    return error

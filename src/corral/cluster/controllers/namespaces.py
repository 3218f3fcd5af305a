"""What controllers that fill namespaces have in common."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.protocol import Client, Collection, Object
from corral.model.kubernetes.status import StatusError


def is_active(namespace: Object | None) -> bool:
    """Pure: whether anything may still be made in it.

    >>> is_active({"metadata": {}, "status": {"phase": "Active"}}), is_active(None)
    (True, False)
    """
    if namespace is None or meta.deleting(namespace):
        return False
    return (namespace.get("status") or {}).get("phase") != "Terminating"


async def create_in(client: Client, of: Collection, obj: Object) -> Object | None:
    """The object as it was made; None when there is no sense in it any more: it is there, or its namespace goes.

    StatusError.
    """
    try:
        return await client.create(of, obj)
    except StatusError as error:
        if error.reason == "AlreadyExists" or is_about_namespace(error):
            return None
        raise


def is_about_namespace(error: StatusError) -> bool:
    """Pure: whether something could not be made because its namespace is gone or going."""
    causes = error.details.get("causes") or ()
    if any(one.get("reason") == "NamespaceTerminating" for one in causes):
        return True
    return error.reason == "NotFound" and error.details.get("kind") == "namespaces"

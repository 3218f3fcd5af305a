"""Where the API serves what a client asks for. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from corral.cluster.client.protocol import Collection


def plan_path(of: Collection, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """
    >>> plan_path(Collection("", "v1", "pods"), "default", "web", "status")
    '/api/v1/namespaces/default/pods/web/status'
    >>> plan_path(Collection("apps", "v1", "deployments"))
    '/apis/apps/v1/deployments'
    """
    parts = ["apis", of.group, of.version] if of.group else ["api", of.version]
    if namespace:
        parts += ["namespaces", namespace]
    parts += [part for part in (of.plural, name, subresource) if part]
    return "/" + "/".join(quote(part, safe="") for part in parts)


def plan_target(path: str, **query: str) -> str:
    """A path with the parts of a query that have a value.

    >>> plan_target("/api/v1/pods", fieldSelector="spec.nodeName=a", labelSelector="")
    '/api/v1/pods?fieldSelector=spec.nodeName%3Da'
    """
    given = {key: value for key, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path

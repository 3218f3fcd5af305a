"""What a path means: the verb and the resource behind it, as authorization and the handlers see them.

Follows k8s.io/apiserver/pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from corral.cluster.apiserver.attributes import Attributes, User
from corral.http.query import Query

_VERBS: Final = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_PREFIX_VERBS: Final = ("proxy", "watch")
_NAMESPACE_SUBRESOURCES: Final = ("status", "finalize")
_WITH_SELECTORS: Final = ("list", "watch", "deletecollection")


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """`resource` is "" for a path that is no resource: then `verb` is the method in lower case.

    `rest`: what follows the subresource (the path that a proxy is asked for). `by_path`: a legacy `/watch/` path.
    """

    path: str
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: tuple[str, ...] = ()
    label_selector: str = ""
    field_selector: str = ""
    by_path: bool = False

    def attributes(self, user: User) -> Attributes:
        """The same in authorization's words."""
        return Attributes(
            user,
            self.verb,
            self.group,
            self.version,
            self.resource,
            self.subresource,
            self.namespace,
            self.name,
            self.path,
            self.field_selector,
            self.label_selector,
        )


def parse_request(method: str, path: str, query: Query) -> RequestInfo:
    """Pure: what is asked for.

    >>> found = parse_request("GET", "/apis/apps/v1/namespaces/shop/deployments/web/scale", Query())
    >>> found.verb, found.group, found.resource, found.subresource, found.namespace, found.name
    ('get', 'apps', 'deployments', 'scale', 'shop', 'web')
    >>> parse_request("GET", "/api/v1/pods", Query("watch=true")).verb, parse_request("GET", "/healthz", Query()).verb
    ('watch', 'get')
    >>> found = parse_request("DELETE", "/api/v1/namespaces/shop", Query())
    >>> found.verb, found.resource, found.namespace, found.name
    ('delete', 'namespaces', 'shop', 'shop')
    >>> parse_request("GET", "/api/v1/watch/namespaces/shop/pods/web", Query()).name
    'web'
    """
    parts = [part for part in path.strip("/").split("/")] if path.strip("/") else []
    plain = RequestInfo(path, method.lower())
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return plain
    group = ""
    if parts[0] == "apis":
        if len(parts) < 4:
            return plain
        group = parts[1]
        del parts[1]
    version, parts = parts[1], parts[2:]
    verb, by_path = _VERBS.get(method, ""), parts[0] in _PREFIX_VERBS
    if by_path:
        verb, parts = parts[0], parts[1:]
        if not parts:
            return plain
    found = _locate(RequestInfo(path, verb, group, version, by_path=by_path), parts)
    return _refine(found, query)


def _locate(info: RequestInfo, parts: list[str]) -> RequestInfo:
    """Pure: the namespace, resource, name and subresource of what follows the version."""
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 and not info.by_path else ""
    return replace(
        info, resource=parts[0], name=name, subresource=subresource, namespace=namespace, rest=tuple(parts[3:])
    )


def _refine(info: RequestInfo, query: Query) -> RequestInfo:
    """Pure: get without a name is list or watch, delete is deletecollection; the selectors that these have."""
    verb, name = info.verb, info.name
    if not name and verb == "get":
        verb = "watch" if _wants_watch(query) else "list"
        name = exact_name(query.get("fieldSelector"))
    elif not name and verb == "delete":
        verb = "deletecollection"
    if info.by_path or verb not in _WITH_SELECTORS:
        return info if (verb, name) == (info.verb, info.name) else replace(info, verb=verb, name=name)
    labels, fields = query.get("labelSelector"), query.get("fieldSelector")
    return replace(info, verb=verb, name=name, label_selector=labels, field_selector=fields)


def _wants_watch(query: Query) -> bool:
    return "watch" in query and query.get("watch").lower() not in ("false", "0")


def exact_name(selector: str) -> str:
    """Pure: the one name that a field selector asks for; "" if it asks for none or many.

    >>> exact_name("metadata.name=web,status.phase!=Failed"), exact_name("metadata.name!=web"), exact_name("")
    ('web', '', '')
    """
    for term in selector.split(","):
        key, sign, value = term.partition("=")
        if sign and key == "metadata.name":
            name = value.removeprefix("=")
            return "" if name in (".", "..") or "/" in name or "%" in name else name
    return ""

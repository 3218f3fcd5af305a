"""What a request to the kubelet is, in the words of authorization. Pure.

Follows pkg/kubelet/server/auth.go, with one difference: what runs something in a pod or connects to it needs the verb
`create` whatever the method is, as in the API server. A web socket begins with a GET, and who may look at nodes must
not be able to run commands by that.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Object = dict[str, Any]

RUNS: Final = ("exec", "attach", "portForward")
_VERBS: Final = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ALONE: Final = {"stats": "stats", "metrics": "metrics", "logs": "log", "checkpoint": "checkpoint"}
_FINE: Final = {"pods": "pods", "runningpods": "pods", "healthz": "healthz", "configz": "configz"}
PROXY: Final = "proxy"


class Asked(NamedTuple):
    """A verb, and subresources of the node: to be allowed it for one of them is enough."""

    verb: str
    subresources: tuple[str, ...]


class Asker(NamedTuple):
    """Who asks: as in UserInfo."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


def plan_asked(method: str, path: str) -> Asked:
    """
    >>> plan_asked("GET", "/stats/summary"), plan_asked("GET", "/pods")
    (Asked(verb='get', subresources=('stats',)), Asked(verb='get', subresources=('pods', 'proxy')))
    >>> plan_asked("GET", "/exec/shop/web/main"), plan_asked("GET", "/containerLogs/shop/web/main")
    (Asked(verb='create', subresources=('proxy',)), Asked(verb='get', subresources=('proxy',)))
    """
    word = path.strip("/").partition("/")[0]
    verb = "create" if word in RUNS else _VERBS.get(method, method.lower())
    if word in _ALONE:
        return Asked(verb, (_ALONE[word],))
    return Asked(verb, (_FINE[word], PROXY) if word in _FINE else (PROXY,))


def is_neighbourly(who: Asker, method: str, path: str) -> bool:
    """Nodes may ask each other, and nothing else, whether the rules of one still lead to a pod of the other.

    >>> node = Asker("system:node:a", groups=("system:nodes", "system:authenticated"))
    >>> [is_neighbourly(node, "GET", path) for path in ("/gone/10.244.1.2", "/pods")]
    [True, False]
    >>> is_neighbourly(Asker("jane"), "GET", "/gone/10.244.1.2")
    False
    """
    asks = method == "GET" and path.strip("/").partition("/")[0] == "gone"
    return asks and "system:nodes" in who.groups and who.name.startswith("system:node:")


def access_review(who: Asker, verb: str, subresource: str, node: str) -> Object:
    """The SubjectAccessReview that asks for it.

    >>> access_review(Asker("jane"), "get", "stats", "n1")["spec"]["resourceAttributes"]
    {'verb': 'get', 'version': 'v1', 'resource': 'nodes', 'subresource': 'stats', 'name': 'n1'}
    """
    spec: Object = {"user": who.name, "groups": list(who.groups)}
    if who.uid:
        spec["uid"] = who.uid
    if who.extra:
        spec["extra"] = {key: list(values) for key, values in who.extra}
    attributes = {"verb": verb, "version": "v1", "resource": "nodes", "subresource": subresource, "name": node}
    return {
        "kind": "SubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {**spec, "resourceAttributes": attributes},
    }


def token_review(token: str) -> Object:
    return {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}}


def read_user(review: Object) -> Asker | None:
    """Who is behind the token of a TokenReview that was answered; None for nobody.

    >>> read_user({"status": {"authenticated": True, "user": {"username": "jane", "groups": ["dev"]}}})
    Asker(name='jane', uid='', groups=('dev', 'system:authenticated'), extra=())
    """
    status = review.get("status") or {}
    user = status.get("user") or {}
    if not status.get("authenticated") or not user.get("username"):
        return None
    extra = tuple((key, tuple(values or ())) for key, values in (user.get("extra") or {}).items())
    return Asker(user["username"], user.get("uid") or "", authenticated(user.get("groups") or ()), extra)


def authenticated(groups: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """With the group that everybody is in who is somebody."""
    return tuple(dict.fromkeys((*groups, "system:authenticated")))


def refusal(who: Asker, asked: Asked) -> str:
    """What who may not is told.

    >>> refusal(Asker("jane"), Asked("get", ("stats",)))
    'Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[stats])'
    """
    shown = " ".join(asked.subresources)
    return f"Forbidden (user={who.name}, verb={asked.verb}, resource=nodes, subresource(s)=[{shown}])"

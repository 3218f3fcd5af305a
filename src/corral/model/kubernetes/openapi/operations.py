"""Which operations there are on which paths, and what they take: the part that OpenAPI v2 and v3 have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from corral.model.kubernetes.resources import GroupVersionKind, Resource, Subresource

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH, APPLY_PATCH = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
ACCEPTED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
PRODUCED = ("application/json", "application/yaml")
STATUS = GroupVersionKind("", "v1", "Status")
DELETE_OPTIONS = GroupVersionKind("", "v1", "DeleteOptions")
PATCH = GroupVersionKind("", "v1", "Patch")  # no kind of objects: a patch of any of the kinds of patches


class Parameter(NamedTuple):
    name: str
    where: str  # query or path
    type: str = "string"


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` and `answer` are kinds; None: nothing, or text. `media_types` are those of the body."""

    method: str
    action: str
    id: str
    gvk: GroupVersionKind
    answer: GroupVersionKind | None
    codes: tuple[int, ...]
    parameters: tuple[Parameter, ...] = ()
    body: GroupVersionKind | None = None
    media_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    path: str
    parameters: tuple[Parameter, ...]
    operations: tuple[Operation, ...]


def _query(names: str, type: str = "string") -> tuple[Parameter, ...]:
    return tuple(Parameter(name, "query", type) for name in names.split())


_PRETTY = _query("pretty")
_WRITE = _query("dryRun fieldManager fieldValidation")
_PATCHING = (*_WRITE, *_query("force", "boolean"))
_SELECT = (
    *_query("continue fieldSelector labelSelector resourceVersion resourceVersionMatch"),
    *_query("limit timeoutSeconds", "integer"),
    *_query("sendInitialEvents", "boolean"),
)
_LIST = (*_SELECT, *_query("allowWatchBookmarks watch", "boolean"))
_DELETE = (
    *_query("dryRun propagationPolicy"),
    *_query("gracePeriodSeconds", "integer"),
    *_query("orphanDependents ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
)
_NAME, _NAMESPACE = Parameter("name", "path"), Parameter("namespace", "path")
_CODES = {"create": (200, 201, 202), "update": (200, 201), "patch": (200, 201), "delete": (200, 202)}
_WORDS = {"create": "create", "update": "replace", "patch": "patch", "get": "read", "delete": "delete"}
_METHODS = {"create": "post", "update": "put", "patch": "patch", "get": "get", "delete": "delete"}
_CONNECTS = ("attach", "exec", "portforward", "proxy")


def plan_paths(resources: Iterable[Resource], *, strategic: bool) -> Iterator[Path]:
    """Pure: every path of the resources. `strategic`: strategic merge patches are taken (of built-in kinds alone).

    >>> pods = Resource("", "v1", "pods", "pod", "Pod", "PodList", True, verbs=("create", "list"))
    >>> [(one.path, [op.id for op in one.operations]) for one in plan_paths([pods], strategic=True)][1]
    ('/api/v1/namespaces/{namespace}/pods', ['listCoreV1NamespacedPod', 'createCoreV1NamespacedPod'])
    """
    for one in resources:
        yield from _resource_paths(one, strategic)


def root(group: str, version: str) -> str:
    """Pure: the path of a version, without a slash in front.

    >>> root("", "v1"), root("apps", "v1")
    ('api/v1', 'apis/apps/v1')
    """
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _resource_paths(one: Resource, strategic: bool) -> Iterator[Path]:
    base, scope = f"/{root(one.group, one.version)}", _scope(one)
    around = (_NAMESPACE, *_PRETTY) if one.namespaced else _PRETTY
    if one.namespaced:
        if "list" in one.verbs:
            yield Path(f"{base}/{one.plural}", _PRETTY, (_listing(one, "", "ForAllNamespaces"),))
        base += "/namespaces/{namespace}"
    collection = f"{base}/{one.plural}"
    if found := tuple(_collection(one, scope)):
        yield Path(collection, around, found)
    item = f"{collection}/{{name}}"
    single = tuple(
        _single(one, verb, scope, strategic) for verb in ("get", "update", "delete", "patch") if verb in one.verbs
    )
    if single:
        yield Path(item, (_NAME, *around), single)
    for sub in one.subresources:
        found = tuple(_subresource(one, sub, verb, scope, strategic) for verb in sub.verbs)
        yield Path(f"{item}/{sub.name}", (_NAME, *around), found)
        if sub.name == "proxy":
            found = tuple(_subresource(one, sub, verb, scope, strategic, "WithPath") for verb in sub.verbs)
            yield Path(f"{item}/proxy/{{path}}", (_NAME, *around, Parameter("path", "path")), found)


def _scope(one: Resource) -> str:
    return "Namespaced" if one.namespaced else ""


def _id(one: Resource, word: str, rest: str) -> str:
    group = one.group.removesuffix(".k8s.io") or "core"
    return word + "".join(part.capitalize() for part in group.replace("-", ".").split(".")) + one.version.title() + rest


def _listing(one: Resource, scope: str, tail: str) -> Operation:
    listed = one.gvk._replace(kind=one.list_kind)
    return Operation("get", "list", _id(one, "list", f"{scope}{one.kind}{tail}"), one.gvk, listed, (200,), _LIST)


def _collection(one: Resource, scope: str) -> Iterator[Operation]:
    if "list" in one.verbs:
        yield _listing(one, scope, "")
    if "create" in one.verbs:
        name = _id(one, "create", f"{scope}{one.kind}")
        yield Operation("post", "post", name, one.gvk, one.gvk, _CODES["create"], _WRITE, one.gvk, ("*/*",))
    if "deletecollection" in one.verbs:
        name = _id(one, "delete", f"Collection{scope}{one.kind}")
        asked = tuple(dict.fromkeys((*_DELETE, *_SELECT)))
        yield Operation("delete", "deletecollection", name, one.gvk, STATUS, (200,), asked, DELETE_OPTIONS, ("*/*",))


def _single(one: Resource, verb: str, scope: str, strategic: bool) -> Operation:
    return _operation(verb, _id(one, _WORDS[verb], f"{scope}{one.kind}"), one.gvk, strategic)


def _subresource(one: Resource, sub: Subresource, verb: str, scope: str, strategic: bool, tail: str = "") -> Operation:
    rest = f"{scope}{one.kind}{sub.name.capitalize()}"
    if sub.name in _CONNECTS:
        name = _id(one, "connect", f"{_METHODS[verb].capitalize()}{rest}{tail}")
        return Operation(_METHODS[verb], "connect", name, sub.kind, None, (200,))
    return _operation(verb, _id(one, _WORDS[verb], rest), sub.kind, strategic)


def _operation(verb: str, name: str, gvk: GroupVersionKind, strategic: bool) -> Operation:
    method, codes = _METHODS[verb], _CODES.get(verb, (200,))
    action = method if verb != "update" else "put"
    if verb == "get":
        return Operation(method, action, name, gvk, gvk, codes)
    if verb == "delete":
        return Operation(method, action, name, gvk, STATUS, codes, _DELETE, DELETE_OPTIONS, ("*/*",))
    if verb == "patch":
        media = (JSON_PATCH, MERGE_PATCH, *((STRATEGIC_PATCH,) if strategic else ()), APPLY_PATCH)
        return Operation(method, action, name, gvk, gvk, codes, _PATCHING, PATCH, media)
    return Operation(method, action, name, gvk, gvk, codes, _WRITE, gvk, ("*/*",))

"""Which flow schema a request belongs to, and which priority level: what the answer's headers name.

The first schema that matches, in the order of their precedence, is the request's. Follows
k8s.io/apiserver/pkg/util/flowcontrol/rule.go. Levels are told, not enforced: how many requests are answered at a time
is limited for all of them together (`limits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authentication.identity import split_service_account
from corral.cluster.apiserver.lookup import Lookup

Object = dict[str, Any]
GROUP: Final = "flowcontrol.apiserver.k8s.io"
REMEMBERED: Final = 4096
SCHEMA_HEADER: Final = "X-Kubernetes-Pf-Flowschema-Uid"
LEVEL_HEADER: Final = "X-Kubernetes-Pf-Prioritylevel-Uid"


class Flows:
    """Remembers what kinds of requests belong to, until a schema or a level changes."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: dict[tuple[Any, ...], dict[str, str]] = {}
        self._ordered: list[Object] | None = None
        for plural in ("flowschemas", "prioritylevelconfigurations"):
            lookup.subscribe(GROUP, plural, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self._known, self._ordered = {}, None

    def headers(self, asked: Attributes) -> dict[str, str]:
        """What the answer says of it; nothing before there are any schemas."""
        user = asked.user
        what = (asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace)
        key = (user.name, user.groups, what if asked.is_resource else (asked.verb, asked.path))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known = {}
            found = self._known[key] = self._headers(asked)
        return found

    def _headers(self, asked: Attributes) -> dict[str, str]:
        if self._ordered is None:
            self._ordered = in_order(self._lookup.list(GROUP, "flowschemas"))
        schema = next((one for one in self._ordered if matches(one, asked)), None)
        if schema is None:
            return {}
        name = schema["spec"]["priorityLevelConfiguration"]["name"]
        level = self._lookup.get(GROUP, "prioritylevelconfigurations", "", name)
        return {
            SCHEMA_HEADER: schema["metadata"]["uid"],
            LEVEL_HEADER: level["metadata"]["uid"] if level else "",
        }


def in_order(schemas: Iterable[Object]) -> list[Object]:
    """Pure: by precedence, then by name."""

    def order(schema: Object) -> tuple[int, str]:
        return schema["spec"].get("matchingPrecedence", 1000), schema["metadata"]["name"]

    return sorted(schemas, key=order)


def matches(schema: Object, asked: Attributes) -> bool:
    """Pure.

    >>> rule = {"subjects": [{"kind": "Group", "group": {"name": "dev"}}], "nonResourceRules": [
    ...     {"verbs": ["get"], "nonResourceURLs": ["/healthz/*"]}]}
    >>> jane = User("jane", groups=("dev",))
    >>> matches({"spec": {"rules": [rule]}}, Attributes(jane, "get", path="/healthz/etcd"))
    True
    """
    return any(_rule_matches(rule, asked) for rule in schema["spec"].get("rules") or ())


def _rule_matches(rule: Object, asked: Attributes) -> bool:
    if not any(_is_subject(one, asked.user) for one in rule.get("subjects") or ()):
        return False
    if asked.is_resource:
        return any(_resource_matches(one, asked) for one in rule.get("resourceRules") or ())
    return any(_path_matches(one, asked) for one in rule.get("nonResourceRules") or ())


def _is_subject(subject: Object, user: User) -> bool:
    kind = subject["kind"]
    if kind == "User":
        return subject["user"]["name"] in ("*", user.name)
    if kind == "Group":
        name = subject["group"]["name"]
        return name == "*" or name in user.groups
    account, wanted = split_service_account(user.name), subject["serviceAccount"]
    return account is not None and wanted["namespace"] == account[0] and wanted["name"] in ("*", account[1])


def _has(words: Sequence[str], word: str) -> bool:
    return "*" in words or word in words


def _resource_matches(rule: Object, asked: Attributes) -> bool:
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    if not (_has(rule["verbs"], asked.verb) and _has(rule["apiGroups"], asked.group)):
        return False
    if not _has(rule["resources"], resource):
        return False
    if not asked.namespace:
        return bool(rule.get("clusterScope"))
    return _has(rule.get("namespaces") or (), asked.namespace)


def _path_matches(rule: Object, asked: Attributes) -> bool:
    if not _has(rule["verbs"], asked.verb):
        return False
    for url in rule["nonResourceURLs"]:
        if url in ("*", asked.path) or (url.endswith("/*") and asked.path.startswith(url[:-1])):
            return True
    return False

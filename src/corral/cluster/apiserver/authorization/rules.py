"""PolicyRules: what each allows, and whether some cover others. Pure.

A rule is the plain object of a Role: `verbs`, `apiGroups`, `resources`, `resourceNames`, `nonResourceURLs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.attributes import Attributes
from corral.cluster.apiserver.gotexts import quoted

Rule = dict[str, Any]
FIELDS: Final = ("apiGroups", "resources", "nonResourceURLs", "resourceNames", "verbs")
_TITLES: Final = ("APIGroups", "Resources", "NonResourceURLs", "ResourceNames", "Verbs")


class Compiled(NamedTuple):
    """A rule as sets, for many questions."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    urls: tuple[str, ...]

    def allows(self, asked: Attributes) -> bool:
        if asked.verb not in self.verbs and "*" not in self.verbs:
            return False
        if not asked.is_resource:
            return any(url_matches(url, asked.path) for url in self.urls)
        if asked.group not in self.groups and "*" not in self.groups:
            return False
        if self.names and asked.name not in self.names:
            return False
        return self._matches_resource(asked.resource, asked.subresource)

    def _matches_resource(self, resource: str, subresource: str) -> bool:
        if "*" in self.resources:
            return True
        if not subresource:
            return resource in self.resources
        return f"{resource}/{subresource}" in self.resources or f"*/{subresource}" in self.resources


def compile_rule(rule: Rule) -> Compiled:
    """
    >>> from corral.cluster.apiserver.attributes import User
    >>> rule = compile_rule({"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "*/scale"]})
    >>> who = User("jane")
    >>> rule.allows(Attributes(who, "get", resource="pods")), rule.allows(Attributes(who, "list", resource="pods"))
    (True, False)
    """
    verbs, groups, resources, names = (frozenset(rule.get(key) or ()) for key in (
        "verbs", "apiGroups", "resources", "resourceNames"))  # fmt: skip
    return Compiled(verbs, groups, resources, names, tuple(rule.get("nonResourceURLs") or ()))


def url_matches(rule: str, path: str) -> bool:
    """
    >>> [url_matches(rule, "/healthz/ping") for rule in ("*", "/healthz/*", "/healthz", "/healthz*")]
    [True, True, False, True]
    """
    return rule in ("*", path) or (rule.endswith("*") and path.startswith(rule.rstrip("*")))


def uncovered(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What of `wanted`, taken apart to the smallest pieces, no rule of `owned` covers.

    >>> edit = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "secrets"]}
    >>> uncovered([{"verbs": ["*"], "apiGroups": [""], "resources": ["pods"]}], [edit])
    [{'apiGroups': [''], 'resources': ['secrets'], 'verbs': ['get']}]
    """
    compiled = [compile_rule(rule) for rule in owned]
    return [piece for rule in wanted for piece in _pieces(rule) if not any(_covers(own, piece) for own in compiled)]


def _pieces(rule: Rule) -> list[Rule]:
    groups, resources, urls, names, verbs = (rule.get(key) or [] for key in FIELDS)
    found: list[Rule] = [
        {"apiGroups": [group], "resources": [resource], **name, "verbs": [verb]}
        for group in groups
        for resource in resources
        for verb in verbs
        for name in ([{"resourceNames": [one]} for one in names] or [{}])
    ]
    return found + [{"nonResourceURLs": [url], "verbs": [verb]} for url in urls for verb in verbs]


def _covers(own: Compiled, piece: Rule) -> bool:
    """Whether a rule covers a piece, which has one value of each kind."""
    if piece["verbs"][0] not in own.verbs and "*" not in own.verbs:
        return False
    if "nonResourceURLs" in piece:
        wanted = piece["nonResourceURLs"][0]
        return any(url == wanted or (url.endswith("*") and wanted.startswith(url.rstrip("*"))) for url in own.urls)
    if piece["apiGroups"][0] not in own.groups and "*" not in own.groups:
        return False
    if own.names and ("resourceNames" not in piece or piece["resourceNames"][0] not in own.names):
        return False
    resource = piece["resources"][0]
    _, slash, subresource = resource.partition("/")
    if "*" in own.resources or resource in own.resources:
        return True
    return bool(slash) and f"*/{subresource}" in own.resources


def compact(rules: Iterable[Rule]) -> list[Rule]:
    """Rules that differ only in their verbs, as one.

    >>> compact([{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]} for verb in ("get", "list")])
    [{'apiGroups': [''], 'resources': ['pods'], 'verbs': ['get', 'list']}]
    """
    found: list[Rule] = []
    simple: dict[tuple[str, str, tuple[str, ...]], Rule] = {}
    for rule in rules:
        groups, resources = rule.get("apiGroups") or [], rule.get("resources") or []
        names = tuple(rule.get("resourceNames") or ())
        if rule.get("nonResourceURLs") or len(groups) != 1 or len(resources) != 1 or len(names) > 1:
            found.append(rule)
            continue
        key = groups[0], resources[0], names
        if key in simple:
            simple[key]["verbs"] = [*simple[key]["verbs"], *rule["verbs"]]
        else:
            simple[key] = dict(rule)
    return [*found, *simple.values()]


def describe(rule: Rule) -> str:
    """
    >>> describe({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]})
    '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}'
    """
    parts = [f"{title}:{quoted(rule[key])}" for title, key in zip(_TITLES, FIELDS, strict=True) if rule.get(key)]
    return "{" + ", ".join(parts) + "}"

"""The rules that webhooks and policies share: which requests they look at. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import (
    Problems,
    each,
    optional_of,
    qualified_name,
)
from corral.model.kubernetes.kinds.fields import (
    fill,
    indexed,
    objects,
    text,
    texts,
)
from corral.model.kubernetes.problems import duplicate, invalid, not_supported, required

FAILURES, MATCHES, _SCOPES = ("Fail", "Ignore"), ("Equivalent", "Exact"), ("*", "Cluster", "Namespaced")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_MOST_CONDITIONS = 64


def default_match(found: Object) -> None:
    fill(found, "matchPolicy", "Equivalent")
    fill(found, "namespaceSelector", {})
    fill(found, "objectSelector", {})
    for kind in ("rules", "resourceRules", "excludeResourceRules"):
        for rule in objects(found, kind):
            fill(rule, "scope", "*")


def check_rule(rule: Object, path: str) -> Problems:
    """A rule with operations, of a webhook or a policy."""
    operations = texts(rule, "operations")
    if not operations:
        yield required(f"{path}.operations")
    if len(operations) > 1 and "*" in operations:
        detail = "if '*' is present, must not specify other operations"
        yield invalid(f"{path}.operations", operations, detail)
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            yield not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    for key, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        found = texts(rule, key)
        if not found:
            yield required(f"{path}.{key}")
        if len(found) > 1 and "*" in found:
            yield invalid(f"{path}.{key}", found, f"if '*' is present, must not specify other {what}")
    for index, version in enumerate(texts(rule, "apiVersions")):
        if not version:
            yield required(f"{path}.apiVersions[{index}]")
    yield from _resources(texts(rule, "resources"), f"{path}.resources")
    yield from optional_of(rule, "scope", path, _SCOPES)


def _resources(found: list[str], path: str) -> Problems:
    if not found:
        yield required(path)
    wild_subs: set[str] = set()
    wild_resources: set[str] = set()
    for index, one in enumerate(found):
        if not one:
            yield required(f"{path}[{index}]")
            continue
        resource, slash, sub = one.partition("/")
        if not slash:
            continue
        if resource in wild_subs:
            yield invalid(f"{path}[{index}]", one, f"if '{resource}/*' is present, must not specify {one}")
        if sub in wild_resources:
            yield invalid(f"{path}[{index}]", one, f"if '*/{sub}' is present, must not specify {one}")
        if sub == "*":
            wild_subs.add(resource)
        if resource == "*":
            wild_resources.add(sub)
    if len(found) > 1 and "*/*" in found:
        yield invalid(path, found, "if '*/*' is present, must not specify other resources")
    if "*" in found and any("/" not in one and one != "*" for one in found):
        detail = "if '*' is present, must not specify other resources without subresources"
        yield invalid(path, found, detail)


def check_conditions(holder: Object, path: str) -> Problems:
    found = objects(holder, "matchConditions")
    if len(found) > _MOST_CONDITIONS:
        yield invalid(path, len(found), f"must have at most {_MOST_CONDITIONS} items")
    seen: set[str] = set()
    for at_one, one in indexed(holder, "matchConditions", path):
        name = text(one, "name")
        if not text(one, "expression").strip():
            yield required(f"{at_one}.expression")
        if not name:
            yield required(f"{at_one}.name")
        else:
            yield from each(f"{at_one}.name", name, qualified_name(name))
        if name in seen:
            yield duplicate(f"{at_one}.name", name)
        seen.add(name)

"""Which requests are recorded, and how much of them: a Policy of audit.k8s.io/v1. Pure but for reading its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.attributes import Attributes
from corral.cluster.apiserver.authorization.rules import url_matches
from corral.errors import InvalidInput, from_oserror
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.problems import Problem

LEVELS: Final = ("None", "Metadata", "Request", "RequestResponse")
STAGES: Final = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_LISTS: Final = ("users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages")
_RULE_FIELDS: Final = frozenset(("level", "omitManagedFields", *_LISTS))
_FIELDS: Final = frozenset(("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"))


class Plan(NamedTuple):
    """What is recorded of one request."""

    level: str
    omitted: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    @property
    def is_recorded(self) -> bool:
        return self.level != "None"

    @property
    def with_request(self) -> bool:
        return self.level in ("Request", "RequestResponse")

    @property
    def with_response(self) -> bool:
        return self.level == "RequestResponse"


class Policy(NamedTuple):
    """The rules are as in the file; the first that fits decides."""

    rules: Sequence[Mapping[str, Any]]
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def plan(self, asked: Attributes) -> Plan:
        """
        >>> from corral.cluster.apiserver.attributes import User
        >>> policy = parse({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [
        ...     {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]}, {"level": "None"}]})
        >>> [policy.plan(Attributes(User("jane"), "get", resource=plural)).level for plural in ("secrets", "pods")]
        ['Metadata', 'None']
        """
        for rule in self.rules:
            if matches(rule, asked):
                omitted = self.omit_stages | frozenset(rule.get("omitStages") or ())
                given = rule.get("omitManagedFields")
                return Plan(rule["level"], omitted, self.omit_managed_fields if given is None else given)
        return Plan("None", self.omit_stages, self.omit_managed_fields)


def load(path: Path) -> Policy:
    """InvalidInput, HostError."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise from_oserror(f"read {path}", error) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"audit policy {path}: {error}") from None
    try:
        return parse(found)
    except InvalidInput as error:
        raise InvalidInput(f"audit policy {path}: {error.message}") from None


def parse(found: Any) -> Policy:
    """Pure. InvalidInput: all that is wrong, fields that nobody knows included."""
    if not isinstance(found, dict):
        raise InvalidInput("not an object")
    if found.get("apiVersion") != "audit.k8s.io/v1" or found.get("kind") != "Policy":
        shown = f"{found.get('apiVersion')}, Kind={found.get('kind')}"
        raise InvalidInput(f"must be audit.k8s.io/v1, Kind=Policy, not {shown}")
    rules = found.get("rules")
    if not isinstance(rules, list) or not rules:
        raise InvalidInput("loaded illegal policy with 0 rules")
    wrong = [p.forbidden(key, "unknown field") for key in found if key not in _FIELDS]
    wrong += _check_stages(found.get("omitStages"), "omitStages")
    for at, rule in enumerate(rules):
        wrong += [one.under(f"rules[{at}]") for one in check_rule(rule)]
    if wrong:
        raise InvalidInput("; ".join(str(one) for one in wrong))
    return Policy(rules, frozenset(found.get("omitStages") or ()), bool(found.get("omitManagedFields")))


def check_rule(rule: Any) -> list[Problem]:
    """Pure: what is wrong with a rule.

    >>> [str(one) for one in check_rule({"level": "All"})]
    ['level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"']
    """
    if not isinstance(rule, dict):
        return [p.invalid("", rule, "must be an object")]
    found = [p.forbidden(key, "unknown field") for key in rule if key not in _RULE_FIELDS]
    wrong = [key for key in _LISTS if not isinstance(rule.get(key) or [], list)]
    if wrong:
        return [p.invalid(key, rule[key], "must be a list") for key in wrong]
    level = rule.get("level")
    if not level:
        found.append(p.required("level"))
    elif level not in LEVELS:
        found.append(p.not_supported("level", level, LEVELS))
    found += _check_urls(rule)
    for at, one in enumerate(rule.get("resources") or ()):
        if not isinstance(one, dict):
            found.append(p.invalid(f"resources[{at}]", one, "must be an object"))
        elif one.get("resourceNames") and not one.get("resources"):
            text = "using resourceNames requires at least one resource"
            found.append(p.invalid(f"resources[{at}].resourceNames", one["resourceNames"], text))
    return found + _check_stages(rule.get("omitStages"), "omitStages")


def _check_urls(rule: Mapping[str, Any]) -> list[Problem]:
    found, urls = [], rule.get("nonResourceURLs") or []
    for at, url in enumerate(urls):
        if url != "*" and not str(url).startswith("/"):
            text = "non-resource URL rules must begin with a '/' character"
            found.append(p.invalid(f"nonResourceURLs[{at}]", url, text))
        if "*" in str(url)[:-1]:
            text = "non-resource URL wildcards '*' must be the final character of the rule"
            found.append(p.invalid(f"nonResourceURLs[{at}]", url, text))
    if urls and (rule.get("resources") or rule.get("namespaces")):
        text = "rules cannot apply to both regular resources and non-resource URLs"
        found.append(p.invalid("nonResourceURLs", urls, text))
    return found


def _check_stages(stages: Any, field: str) -> list[Problem]:
    text = f"allowed stages are {','.join(STAGES)}"
    return [p.invalid(f"{field}[{at}]", one, text) for at, one in enumerate(stages or ()) if one not in STAGES]


def matches(rule: Mapping[str, Any], asked: Attributes) -> bool:
    """Pure: whether the rule is about such a request."""
    user = asked.user
    if rule.get("users") and user.name not in rule["users"]:
        return False
    if rule.get("userGroups") and not set(rule["userGroups"]).intersection(user.groups):
        return False
    if rule.get("verbs") and asked.verb not in rule["verbs"]:
        return False
    if rule.get("namespaces") or rule.get("resources"):
        return asked.is_resource and _matches_resource(rule, asked)
    if rule.get("nonResourceURLs"):
        return not asked.is_resource and any(url_matches(url, asked.path) for url in rule["nonResourceURLs"])
    return True


def _matches_resource(rule: Mapping[str, Any], asked: Attributes) -> bool:
    if rule.get("namespaces") and asked.namespace not in rule["namespaces"]:
        return False
    listed = rule.get("resources")
    return not listed or any(_matches_group(one, asked) for one in listed)


def _matches_group(one: Mapping[str, Any], asked: Attributes) -> bool:
    if (one.get("group") or "") not in (asked.group, "*"):
        return False
    resources, names = one.get("resources"), one.get("resourceNames")
    if not resources:
        return True
    if names and asked.name not in names:
        return False
    resource, sub = asked.resource, asked.subresource
    wanted = {"*", f"{resource}/*", f"{resource}/{sub}" if sub else resource} | ({f"*/{sub}"} if sub else set())
    return not wanted.isdisjoint(resources)

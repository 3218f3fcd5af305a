"""When a Job counts as failed, and when as done: its two policies. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, label_name, nonnegative, unique
from corral.model.kubernetes.kinds.fields import has, indexed, names, number, objects, part, text, values
from corral.model.kubernetes.problems import OMITTED, invalid, not_supported, required, too_long, too_many

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_RULES, _CODES, _PATTERNS = 20, 255, 20
_INDEXES = 64 * 1024


def _valid(allowed: tuple[str, ...]) -> str:
    return "valid values: [" + " ".join(f'"{one}"' for one in allowed) + "]"


def check_failure_policy(spec: Object, path: str) -> Problems:
    policy = spec.get("podFailurePolicy")
    if not isinstance(policy, dict):
        return
    if len(objects(policy, "rules")) > _RULES:
        yield too_many(f"{path}.rules", len(objects(policy, "rules")), _RULES)
    pod = part(spec, "template", "spec")
    containers = names(objects(pod, "containers")) | names(objects(pod, "initContainers"))
    for at, rule in indexed(policy, "rules", f"{path}.rules"):
        yield from _rule(rule, at, has(spec, "backoffLimitPerIndex"), containers)


def _rule(rule: Object, path: str, per_index: bool, containers: Collection[str]) -> Problems:
    action, codes = text(rule, "action"), rule.get("onExitCodes")
    patterns = objects(rule, "onPodConditions")
    if not action:
        yield required(f"{path}.action", _valid(_ACTIONS))
    elif action == "FailIndex" and not per_index:
        yield invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set")
    elif action not in _ACTIONS:
        yield not_supported(f"{path}.action", action, _ACTIONS)
    if isinstance(codes, dict):
        yield from _exit_codes(codes, f"{path}.onExitCodes", containers)
    if len(patterns) > _PATTERNS:
        yield too_many(f"{path}.onPodConditions", len(patterns), _PATTERNS)
    for at, pattern in indexed(rule, "onPodConditions", f"{path}.onPodConditions"):
        yield from label_name(text(pattern, "type"), f"{at}.type")
        yield from _choice(text(pattern, "status"), f"{at}.status", _STATUSES)
    if isinstance(codes, dict) and patterns:
        yield invalid(path, OMITTED, "specifying both OnExitCodes and OnPodConditions is not supported")
    if not isinstance(codes, dict) and not patterns:
        yield invalid(path, OMITTED, "specifying one of OnExitCodes and OnPodConditions is required")


def _choice(value: str, path: str, allowed: tuple[str, ...]) -> Problems:
    if not value:
        yield required(path, _valid(allowed))
    elif value not in allowed:
        yield not_supported(path, value, allowed)


def _exit_codes(codes: Object, path: str, containers: Collection[str]) -> Problems:
    yield from _choice(text(codes, "operator"), f"{path}.operator", _OPERATORS)
    if has(codes, "containerName") and text(codes, "containerName") not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", text(codes, "containerName"), detail)
    found, at = values(codes, "values"), f"{path}.values"
    if not found:
        yield invalid(at, found, "at least one value is required")
    elif len(found) > _CODES:
        yield too_many(at, len(found), _CODES)
    for index, code in enumerate(found):
        if text(codes, "operator") == "In" and code == 0:
            yield invalid(f"{at}[{index}]", code, "must not be 0 for the In operator")
    yield from unique((f"{at}[{index}]", code) for index, code in enumerate(found))
    if found != sorted(found):
        yield invalid(at, found, "must be ordered")


def check_success_policy(spec: Object, path: str) -> Problems:
    policy = spec.get("successPolicy")
    if not isinstance(policy, dict):
        return
    if text(spec, "completionMode") != "Indexed":
        yield invalid(path, policy, "requires indexed completion mode")
        return
    rules = objects(policy, "rules")
    if not rules:
        yield required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified")
    if len(rules) > _RULES:
        yield too_many(f"{path}.rules", len(rules), _RULES)
    for at, rule in indexed(policy, "rules", f"{path}.rules"):
        yield from _success_rule(rule, number(spec, "completions"), at)


def _success_rule(rule: Object, completions: int, path: str) -> Problems:
    indexes, count = rule.get("succeededIndexes"), rule.get("succeededCount")
    if indexes is None and count is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total: int | str = 0
    if indexes is not None:
        if len(indexes) > _INDEXES:
            yield too_long(f"{path}.succeededIndexes", _INDEXES)
        total = count_indexes(indexes, completions)
        if isinstance(total, str):
            yield invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {total}")
    if count is None:
        return
    yield from nonnegative(rule, path, "succeededCount")
    if count > completions:
        detail = f"must be less than or equal to {completions} (the number of specified completions)"
        yield invalid(f"{path}.succeededCount", count, detail)
    if isinstance(total, int) and indexes is not None and count > total:
        detail = (
            f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        )
        yield invalid(f"{path}.succeededCount", count, detail)


def count_indexes(text: str, completions: int) -> int | str:
    """Pure: how many indexes a text such as "1,3-5" names; or what is wrong with it.

    >>> count_indexes("1,3-5", 10), count_indexes("3-1", 10)
    (4, 'non-increasing order, previous: 3, current: 1')
    """
    last, total = -1, 0
    for interval in filter(None, text.split(",")):
        low, dash, high = interval.partition("-")
        ends = (low, high) if dash else (low,)
        for end in ends:
            if not re.fullmatch("[0-9]{1,9}", end):
                return f'cannot convert string to integer for index: "{end}"'
            if int(end) >= completions:
                return f'too large index: "{end}"'
        for index in map(int, ends):
            if index <= last:
                return f"non-increasing order, previous: {last}, current: {index}"
            last = index
        total += last - int(low) + 1
    return total

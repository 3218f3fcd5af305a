"""What a Job's policies say of pods that failed, and of indexes that succeeded. Pure.

Follows upstream's pod_failure_policy.go and success_policy.go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.pods import phase
from corral.cluster.controllers.job.indexes import parse


class Failure(NamedTuple):
    """What a failed pod means: whether it counts, and (`message`) whether the whole Job fails by it."""

    counts: bool = True
    action: str = ""
    message: str = ""


def judge_failure(policy: Mapping[str, Any] | None, pod: Object) -> Failure:
    """The first rule that matches decides; without one the failure counts.

    >>> codes = lambda action, *values: {"action": action, "onExitCodes": {"operator": "In", "values": list(values)}}
    >>> ended = {"name": "main", "state": {"terminated": {"exitCode": 42}}}
    >>> pod = {"metadata": {"name": "p", "namespace": "d"}, "status": {"phase": "Failed", "containerStatuses": [ended]}}
    >>> judge_failure({"rules": [codes("Ignore", 7), codes("FailJob", 42)]}, pod).message
    'Container main for pod d/p failed with exit code 42 matching FailJob rule at index 1'
    >>> judge_failure({"rules": [codes("Ignore", 42)]}, pod).counts, judge_failure(None, pod)
    (False, Failure(counts=True, action='', message=''))
    """
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        cause = _cause(rule, pod)
        if not cause:
            continue
        action = str(rule.get("action") or "")
        text = f"{cause} matching {action} rule at index {number}"
        return Failure(action != "Ignore", action, text if action == "FailJob" else "")
    return Failure()


def _cause(rule: Mapping[str, Any], pod: Object) -> str:
    """Why the rule matches; "" if it does not."""
    status, name = pod.get("status") or {}, f"{meta.namespace(pod)}/{meta.name(pod)}"
    codes = rule.get("onExitCodes")
    if codes is not None:
        if phase(pod) != "Failed":
            return ""
        for one in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
            code = ((one.get("state") or {}).get("terminated") or {}).get("exitCode")
            wanted = codes.get("containerName")
            if code and (wanted is None or wanted == one.get("name")) and _code_matches(codes, code):
                return f"Container {one.get('name')} for pod {name} failed with exit code {code}"
        return ""
    for pattern in rule.get("onPodConditions") or ():
        for one in status.get("conditions") or ():
            if one.get("type") == pattern.get("type") and one.get("status") == (pattern.get("status") or "True"):
                return f"Pod {name} has condition {one.get('type')}"
    return ""


def _code_matches(codes: Mapping[str, Any], code: int) -> bool:
    inside = code in (codes.get("values") or ())
    return inside if codes.get("operator") == "In" else not inside


def met_success_rule(policy: Mapping[str, Any] | None, completions: int, succeeded: Collection[int]) -> str:
    """The message of the first rule that is met; "" if none is.

    >>> met_success_rule({"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]}, 5, {1})
    'Matched rules at index 0'
    >>> met_success_rule({"rules": [{"succeededIndexes": "0-1"}]}, 5, {1}), met_success_rule(None, 5, {1})
    ('', '')
    """
    done = set(succeeded)
    if not done:
        return ""
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        listed, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        wanted = parse(listed, completions) if listed is not None else None
        hits = done if wanted is None else done & wanted
        if len(hits) >= count if count is not None else wanted is not None and hits == wanted:
            return f"Matched rules at index {number}"
    return ""

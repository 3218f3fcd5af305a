"""How the default rules are written down: one line each. Pure.

::

    get list watch; apps core; deployments pods             verbs; groups (core is ""); resources
    get update; coordination.k8s.io; leases; my-lease       … of these names only
    get; /healthz /version                                  paths

READ is get list watch, WRITE create update patch delete deletecollection, EVENTS what writes events.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from corral.cluster.apiserver.authorization.rules import Rule
from corral.model.kubernetes.kind import Object

API_VERSION: Final = "rbac.authorization.k8s.io/v1"
AUTO_UPDATE: Final = "rbac.authorization.kubernetes.io/autoupdate"
READ: Final = "get list watch"
WRITE: Final = "create update patch delete deletecollection"
EVENTS: Final = "create update patch; core events.k8s.io; events"


def rule(line: str) -> Rule:
    """
    >>> rule("READ; core apps; pods")
    {'verbs': ['get', 'list', 'watch'], 'apiGroups': ['', 'apps'], 'resources': ['pods']}
    >>> rule("get; /version /api")
    {'verbs': ['get'], 'nonResourceURLs': ['/api', '/version']}
    """
    if line == "EVENTS":
        line = EVENTS
    parts = [part.split() for part in line.replace("READ", READ).replace("WRITE", WRITE).split(";")]
    verbs = sorted(parts[0])
    if len(parts) == 2:
        return {"verbs": verbs, "nonResourceURLs": sorted(parts[1])}
    groups = sorted("" if group == "core" else group for group in parts[1])
    found: Rule = {"verbs": verbs, "apiGroups": groups, "resources": sorted(parts[2])}
    return {**found, "resourceNames": sorted(parts[3])} if len(parts) > 3 else found


def role(name: str, lines: Iterable[str], namespace: str = "", labels: dict[str, str] | None = None) -> Object:
    """A Role of the namespace, or a ClusterRole."""
    kind = "Role" if namespace else "ClusterRole"
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": _metadata(name, namespace, labels),
        "rules": [rule(line) for line in lines],
    }


def aggregated(name: str, labels: dict[str, str] | None = None) -> Object:
    """A ClusterRole that gathers those with the label aggregate-to-NAME."""
    selector = {"matchLabels": {aggregate_to(name): "true"}}
    made = role(name, (), labels=labels)
    del made["rules"]
    return {**made, "aggregationRule": {"clusterRoleSelectors": [selector]}}


def aggregate_to(name: str) -> str:
    return f"rbac.authorization.k8s.io/aggregate-to-{name}"


def binding(name: str, subjects: str, namespace: str = "", of: str = "") -> Object:
    """To a ClusterRole, or in a namespace to its Role; called as the role, if `of` does not name another.

    `subjects`: words such as user:jane group:dev account:kube-system/web.

    >>> binding("view", "group:dev")["subjects"]
    [{'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'Group', 'name': 'dev'}]
    """
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    reference = {"apiGroup": API_VERSION.partition("/")[0], "kind": "Role" if namespace else "ClusterRole"}
    made: Object = {"apiVersion": API_VERSION, "kind": kind, "metadata": _metadata(name, namespace, None)}
    made["roleRef"] = {**reference, "name": of or name}
    if subjects:
        made["subjects"] = [_subject(word) for word in subjects.split()]
    return made


def _subject(word: str) -> dict[str, Any]:
    kind, _, name = word.partition(":")
    if kind == "account":
        namespace, _, name = name.partition("/")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": API_VERSION.partition("/")[0], "kind": kind.capitalize(), "name": name}


def _metadata(name: str, namespace: str, labels: dict[str, str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "annotations": {AUTO_UPDATE: "true"},
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults", **(labels or {})},
    }
    return {**found, "namespace": namespace} if namespace else found

"""The priority levels and flow schemas of a new cluster.

Follows k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap.
"""

from __future__ import annotations

from typing import Any, Final

Object = dict[str, Any]
AUTO: Final = {"apf.kubernetes.io/autoupdate-spec": "true"}
# name: (shares, percent that may be lent, (queues, hand size, longest queue) or None: who waits is refused)
LEVELS: Final[dict[str, tuple[int, int, tuple[int, int, int] | None]]] = {
    "catch-all": (5, 0, None),
    "global-default": (20, 50, (128, 6, 50)),
    "leader-election": (10, 0, (16, 4, 50)),
    "node-high": (40, 25, (64, 6, 50)),
    "system": (30, 33, (64, 6, 50)),
    "workload-high": (40, 50, (128, 6, 50)),
    "workload-low": (100, 90, (128, 6, 50)),
}
_EVERYBODY: Final = ("g:system:unauthenticated", "g:system:authenticated")
_MANAGER, _SCHEDULER = "u:system:kube-controller-manager", "u:system:kube-scheduler"
_ENDPOINT_ACCOUNT: Final = "s:kube-system/endpoint-controller"
_ACCOUNTS: Final = "s:kube-system/*"
_LEASING: Final = ("get", "create", "update")
_LEASES: Final = "coordination.k8s.io"


def _resources(verbs: tuple[str, ...], group: str, plurals: tuple[str, ...], namespaces: str, cluster: bool) -> Object:
    found: Object = {"verbs": list(verbs), "apiGroups": [group], "resources": list(plurals)}
    if cluster:
        found["clusterScope"] = True
    return {**found, "namespaces": [namespaces]}


_ALL: Final = (_resources(("*",), "*", ("*",), "*", True),)
_ALL_PATHS: Final = ({"verbs": ["*"], "nonResourceURLs": ["*"]},)
_PROBES: Final = ({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]},)
_NODES: Final = (
    _resources(("*",), "", ("nodes", "nodes/status"), "*", True),
    _resources(("*",), _LEASES, ("leases",), "kube-node-lease", False),
)
_SYSTEM_LEASES: Final = (_resources(_LEASING, _LEASES, ("leases",), "kube-system", False),)
_ANY_LEASES: Final = (_resources(_LEASING, _LEASES, ("leases",), "*", False),)
_ENDPOINTS: Final = (_resources(_LEASING, "", ("endpoints",), "*", False),)
# name, precedence, level, how flows are told apart, subjects, rules about resources, rules about other paths
SCHEMAS: Final[tuple[tuple[str, int, str, str, tuple[str, ...], tuple[Object, ...], tuple[Object, ...]], ...]] = (
    ("exempt", 1, "exempt", "", ("g:system:masters",), _ALL, _ALL_PATHS),
    ("probes", 2, "exempt", "", _EVERYBODY, (), _PROBES),
    ("system-leader-election", 100, "leader-election", "ByUser", (_MANAGER, _SCHEDULER, _ACCOUNTS), _SYSTEM_LEASES, ()),
    ("endpoint-controller", 150, "workload-high", "ByUser", (_MANAGER, _ENDPOINT_ACCOUNT), _ENDPOINTS, ()),
    ("workload-leader-election", 200, "leader-election", "ByUser", (_ACCOUNTS,), _ANY_LEASES, ()),
    ("system-node-high", 400, "node-high", "ByUser", ("g:system:nodes",), _NODES, ()),
    ("system-nodes", 500, "system", "ByUser", ("g:system:nodes",), _ALL, _ALL_PATHS),
    ("kube-controller-manager", 800, "workload-high", "ByNamespace", (_MANAGER,), _ALL, _ALL_PATHS),
    ("kube-scheduler", 800, "workload-high", "ByNamespace", (_SCHEDULER,), _ALL, _ALL_PATHS),
    ("kube-system-service-accounts", 900, "workload-high", "ByNamespace", (_ACCOUNTS,), _ALL, _ALL_PATHS),
    ("service-accounts", 9000, "workload-low", "ByUser", ("g:system:serviceaccounts",), _ALL, _ALL_PATHS),
    ("global-default", 9900, "global-default", "ByUser", _EVERYBODY, _ALL, _ALL_PATHS),
    ("catch-all", 10000, "catch-all", "ByUser", _EVERYBODY, _ALL, _ALL_PATHS),
)  # fmt: skip


def _subject(word: str) -> Object:
    """Pure.

    >>> _subject("g:system:nodes"), _subject("s:kube-system/*")["serviceAccount"]
    ({'kind': 'Group', 'group': {'name': 'system:nodes'}}, {'namespace': 'kube-system', 'name': '*'})
    """
    kind, _, name = word.partition(":")
    if kind == "s":
        namespace, _, account = name.partition("/")
        return {"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": account}}
    return {"kind": "Group", "group": {"name": name}} if kind == "g" else {"kind": "User", "user": {"name": name}}


def priority_levels() -> list[Object]:
    """Pure."""
    exempt: Object = {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}
    made = [{"metadata": {"name": "exempt", "annotations": dict(AUTO)}, "spec": exempt}]
    for name, (shares, lendable, queues) in LEVELS.items():
        response: Object = {"type": "Reject"}
        if queues is not None:
            queuing = {"queues": queues[0], "handSize": queues[1], "queueLengthLimit": queues[2]}
            response = {"type": "Queue", "queuing": queuing}
        limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
        spec = {"type": "Limited", "limited": limited}
        made.append({"metadata": {"name": name, "annotations": dict(AUTO)}, "spec": spec})
    return made


def flow_schemas() -> list[Object]:
    """Pure."""
    made = []
    for name, precedence, level, method, subjects, resources, paths in SCHEMAS:
        rule: Object = {"subjects": [_subject(word) for word in subjects]}
        if resources:
            rule["resourceRules"] = [dict(one) for one in resources]
        if paths:
            rule["nonResourceRules"] = [dict(one) for one in paths]
        spec: Object = {"matchingPrecedence": precedence, "priorityLevelConfiguration": {"name": level}}
        if method:
            spec["distinguisherMethod"] = {"type": method}
        made.append({"metadata": {"name": name, "annotations": dict(AUTO)}, "spec": {**spec, "rules": [rule]}})
    return made

"""What /stats/summary says: the Summary of k8s.io/kubelet/pkg/apis/stats/v1alpha1. Pure.

What is not known here is left out, as the API wants it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from corral.cluster.client.usage import Report
from corral.cluster.kubelet.metering.reading import Measured, working_set
from corral.cluster.kubelet.times import rfc3339
from corral.model.stats import CgroupStats, InterfaceStats

Object = dict[str, Any]


class NodeFacts(NamedTuple):
    """Of the machine, at `now` (nanoseconds). `memory` as in /proc/meminfo, `disk`: (all, free, used) bytes of the
    file system that the node's state is on."""

    name: str
    now: int
    booted: int
    cpu: int
    working_set: int
    memory: Mapping[str, int]
    disk: tuple[int, int, int]


def plan_summary(node: NodeFacts, containers: Iterable[Measured], pods: Iterable[Object], report: Report) -> Object:
    """`pods`: the objects, by which it is known when each began; `report`: what is used now."""
    began = {one["metadata"]["uid"]: (one.get("status") or {}).get("startTime") for one in pods}
    rates = {(one.namespace, one.name): one.containers for one in report.pods}
    grouped: dict[str, list[Measured]] = {}
    for one in containers:
        grouped.setdefault(one.uid, []).append(one)
    shown = []
    for uid, members in grouped.items():
        used = rates.get((members[0].namespace, members[0].pod), {})
        now = {name: one.cpu for name, one in used.items()}
        shown.append(_pod(members, node.now, began.get(uid), now))
    total = next((one.used.cpu for one in report.nodes), None)
    return {"node": _node(node, total), "pods": shown}


def _node(node: NodeFacts, rate: int | None) -> Object:
    time = rfc3339(node.now)
    all, free, used = node.disk
    size = {"time": time, "capacityBytes": all, "availableBytes": free, "usedBytes": used}
    memory = {
        "time": time,
        "availableBytes": max(node.memory.get("MemTotal", 0) - node.working_set, 0),
        "usageBytes": node.memory.get("MemTotal", 0) - node.memory.get("MemFree", 0),
        "workingSetBytes": node.working_set,
        "rssBytes": node.memory.get("AnonPages", 0),
    }
    return {
        "nodeName": node.name,
        "startTime": rfc3339(node.booted),
        "cpu": _cpu(time, node.cpu, rate),
        "memory": memory,
        "fs": size,
    }


def _pod(members: list[Measured], now: int, began: str | None, rates: Mapping[str, int]) -> Object:
    first, time = members[0], rfc3339(now)
    groups = [one.stats.cgroup for one in members]
    whole = len(rates) == len(members)
    found: Object = {
        "podRef": {"name": first.pod, "namespace": first.namespace, "uid": first.uid},
        "startTime": began or rfc3339(min(one.attempt.started for one in members)),
        "containers": [_container(one, time, rates.get(one.attempt.container)) for one in members],
        "cpu": _cpu(time, sum(one.cpu_total for one in groups), sum(rates.values()) if whole else None),
        "memory": {
            "time": time,
            "usageBytes": sum(one.memory_usage for one in groups),
            "workingSetBytes": sum(map(working_set, groups)),
            "rssBytes": sum(map(resident, groups)),
        },
    }
    if first.stats.interfaces:  # all of a pod's containers are in one network
        found["network"] = {"time": time, **_interfaces(first.stats.interfaces)}
    return found


def _container(one: Measured, time: str, rate: int | None) -> Object:
    cgroup = one.stats.cgroup
    memory = {
        "time": time,
        "usageBytes": cgroup.memory_usage,
        "workingSetBytes": working_set(cgroup),
        "rssBytes": resident(cgroup),
        "pageFaults": cgroup.memory_detail.get("pgfault", 0),
        "majorPageFaults": cgroup.memory_detail.get("pgmajfault", 0),
    }
    return {
        "name": one.attempt.container,
        "startTime": rfc3339(one.attempt.started),
        "cpu": _cpu(time, cgroup.cpu_total, rate),
        "memory": memory,
    }


def _cpu(time: str, total: int, rate: int | None) -> Object:
    return {"time": time, "usageCoreNanoSeconds": total} | ({} if rate is None else {"usageNanoCores": rate})


def _interfaces(found: Mapping[str, InterfaceStats]) -> Object:
    shown = [
        {
            "name": name,
            "rxBytes": one.rx_bytes,
            "rxErrors": one.rx_errors,
            "txBytes": one.tx_bytes,
            "txErrors": one.tx_errors,
        }
        for name, one in found.items()
    ]
    return {**(shown[0] if shown else {}), "interfaces": shown}


def resident(stats: CgroupStats) -> int:
    """Memory that is no copy of a file.

    >>> resident(CgroupStats(2, memory_detail={"anon": 4096})), resident(CgroupStats(1, memory_detail={"rss": 5}))
    (4096, 5)
    """
    return stats.memory_detail.get("anon" if stats.version == 2 else "total_rss", stats.memory_detail.get("rss", 0))

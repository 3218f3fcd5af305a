"""The picture: old pods and new pods as marks, and the counter of requests. Pure."""

from __future__ import annotations

from typing import Any

READY, STARTING, LEAVING, BROKEN = "●", "○", "◌", "✗"


def mark(pod: dict[str, Any]) -> str:
    """One pod: it serves, starts, leaves, or cannot.

    >>> mark({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), mark({"metadata": {}, "status": {}})
    ('◌', '○')
    """
    if "deletionTimestamp" in pod["metadata"]:
        return LEAVING
    status = pod.get("status", {})
    if any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ())):
        return READY
    waiting = [one.get("state", {}).get("waiting", {}).get("reason", "") for one in status.get("containerStatuses", ())]
    return BROKEN if any(reason not in ("", "ContainerCreating", "PodInitializing") for reason in waiting) else STARTING


def version(pod: dict[str, Any]) -> str:
    """
    >>> version({"spec": {"containers": [{"image": "127.0.0.1:5000/meadow:2"}]}})
    '2'
    """
    return str(pod["spec"]["containers"][0]["image"]).rpartition(":")[2]


def paint(pods: list[dict[str, Any]], seen: dict[str, int], failed: int) -> str:
    """One line.

    >>> pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"image": "m:1"}]}, "status": {}}
    >>> paint([pod, pod], {"version-1": 7}, 0)
    'version 1 ○○      requests: 7 (version-1: 7)  failed: 0'
    """
    rows: dict[str, list[str]] = {}
    for pod in sorted(pods, key=lambda one: str(one["metadata"]["name"])):
        rows.setdefault(version(pod), []).append(mark(pod))
    fleets = "   ".join(f"version {name} {''.join(sorted(marks)):8}" for name, marks in sorted(rows.items()))
    answers = ", ".join(f"{name}: {count}" for name, count in seen.items())
    return f"{fleets:18}requests: {sum(seen.values()) + failed} ({answers})  failed: {failed}"

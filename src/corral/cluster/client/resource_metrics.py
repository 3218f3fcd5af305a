"""Metrics for autoscalers, from what the kubelets measure: CPU and memory. Custom metrics come from nowhere yet."""

from __future__ import annotations

from collections.abc import Iterable

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer
from corral.cluster.client.metrics import NoMetrics, Unavailable, Usage
from corral.cluster.client.usage import Meters, PodUsage
from corral.model.kubernetes.selectors import Selector


class ResourceMetrics(NoMetrics):
    """`pods`: the informer of all pods, which knows their labels."""

    def __init__(self, meters: Meters, pods: Informer) -> None:
        self._meters, self._pods = meters, pods

    async def resource(self, name: str, namespace: str, selector: Selector, container: str = "") -> dict[str, Usage]:
        if not self._meters:
            return await super().resource(name, namespace, selector, container)
        report = await self._meters.measure()
        wanted = [one for one in report.pods if one.namespace == namespace and self._is_meant(one, selector)]
        return plan_usages(wanted, name, container)

    def _is_meant(self, usage: PodUsage, selector: Selector) -> bool:
        pod = self._pods.get(f"{usage.namespace}/{usage.name}")
        return pod is not None and not meta.deleting(pod) and selector.matches(pod["metadata"].get("labels") or {})


def plan_usages(pods: Iterable[PodUsage], resource: str, container: str = "") -> dict[str, Usage]:
    """Pure: one resource of pods, of one container or of all together, in thousandths. Raises Unavailable.

    >>> from datetime import UTC, datetime
    >>> from corral.cluster.client.usage import Used
    >>> at, containers = datetime(2026, 1, 2, tzinfo=UTC), {"a": Used(250_000_001, 4096), "b": Used(10**9, 0)}
    >>> plan_usages([PodUsage("shop", "web", at, 15.0, containers)], "cpu")["web"].value
    1251
    >>> plan_usages([PodUsage("shop", "web", at, 15.0, containers)], "memory", "a")["web"].value
    4096000
    """
    found = {}
    for pod in pods:
        if container and container not in pod.containers:
            text = f"container {container} not present in metrics for pod {pod.namespace}/{pod.name}"
            raise Unavailable(text)
        meant = [used for name, used in pod.containers.items() if not container or name == container]
        if resource == "cpu":
            value = sum(-(-used.cpu // 10**6) for used in meant)
        elif resource == "memory":
            value = sum(used.memory for used in meant) * 1000
        else:
            continue
        found[pod.name] = Usage(value, pod.at, pod.window)
    if not found:
        raise Unavailable("no metrics returned from resource metrics API")
    return found

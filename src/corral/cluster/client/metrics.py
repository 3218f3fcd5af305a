"""Metrics: what autoscalers ask for. The kubelets know what pods use; custom metrics come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from corral.errors import CorralError
from corral.model.kubernetes.selectors import Selector


class Unavailable(CorralError):
    """A metric that nobody knows now; the message says why."""


class Usage(NamedTuple):
    """One pod's, in thousandths of the unit, measured over `window` seconds before `at`."""

    value: int
    at: datetime
    window: float = 60


class Metrics(Protocol):
    """Values are in thousandths. Every method raises Unavailable."""

    async def resource(self, name: str, namespace: str, selector: Selector, container: str = "") -> dict[str, Usage]:
        """Of `cpu` or `memory`, by the names of pods; of one container only, or of all together."""
        ...

    async def pods(self, metric: Mapping[str, Any], namespace: str, selector: Selector) -> dict[str, Usage]:
        """Of a custom metric, by the names of pods. `metric`: a MetricIdentifier."""
        ...

    async def object(self, metric: Mapping[str, Any], namespace: str, about: Mapping[str, Any]) -> int:
        """Of a custom metric of one object. `about`: a CrossVersionObjectReference."""
        ...

    async def external(self, metric: Mapping[str, Any], namespace: str) -> list[int]: ...


class NoMetrics:
    """Where nobody measures."""

    _TEXT = "the server could not find the requested resource"

    async def resource(self, name: str, namespace: str, selector: Selector, container: str = "") -> dict[str, Usage]:
        raise Unavailable(f"unable to fetch metrics from resource metrics API: {self._TEXT} (get pods.metrics.k8s.io)")

    async def pods(self, metric: Mapping[str, Any], namespace: str, selector: Selector) -> dict[str, Usage]:
        raise Unavailable("unable to fetch metrics from custom metrics API: no custom metrics API registered")

    async def object(self, metric: Mapping[str, Any], namespace: str, about: Mapping[str, Any]) -> int:
        raise Unavailable("unable to fetch metrics from custom metrics API: no custom metrics API registered")

    async def external(self, metric: Mapping[str, Any], namespace: str) -> list[int]:
        raise Unavailable("unable to fetch metrics from external metrics API: no external metrics API registered")

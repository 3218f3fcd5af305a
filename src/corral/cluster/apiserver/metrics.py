"""What the server counts, in Prometheus' text format, under the names that upstream's dashboards know."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.paths import RequestInfo
from corral.kit.exposition import Labels, head, process_lines, shown

BUCKETS: Final = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
_WORDS: Final = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}


def scope_of(info: RequestInfo) -> str:
    """Pure: cluster, namespace or resource, as upstream counts; "" for what is no resource.

    >>> scope_of(RequestInfo("/x", "get", resource="pods", name="a")), scope_of(RequestInfo("/x", "get"))
    ('resource', '')
    """
    if not info.resource:
        return ""
    if info.name:
        return "resource"
    return "namespace" if info.namespace else "cluster"


def request_labels(info: RequestInfo) -> Labels:
    verb = _WORDS.get(info.verb, info.verb.upper())
    return (
        ("component", "apiserver"),
        ("group", info.group),
        ("resource", info.resource),
        ("scope", scope_of(info)),
        ("subresource", info.subresource),
        ("verb", verb),
        ("version", info.version),
    )


class Histogram:
    __slots__ = ("counts", "sum", "total")

    def __init__(self) -> None:
        self.counts, self.sum, self.total = [0] * len(BUCKETS), 0.0, 0

    def add(self, value: float) -> None:
        self.sum += value
        self.total += 1
        for index, limit in enumerate(BUCKETS):
            if value <= limit:
                self.counts[index] += 1
                return


class Metrics:
    """Counters of one server. `inflight` and `long` are gauges that the server moves itself."""

    def __init__(self) -> None:
        self._requests: dict[tuple[RequestLabels, int], int] = {}
        self._durations: dict[RequestLabels, Histogram] = {}
        self._labels: dict[RequestLabels, Labels] = {}
        self.inflight = {"mutating": 0, "readOnly": 0}
        self.long: dict[Labels, int] = {}
        self.rejected = {"mutating": 0, "readOnly": 0}
        self._start = time.time()

    def observe(self, info: RequestInfo, code: int, seconds: float) -> None:
        key = (info.verb, info.group, info.version, info.resource, info.subresource, scope_of(info))
        if key not in self._labels:
            self._labels[key] = request_labels(info)
            self._durations[key] = Histogram()
        counted = (key, code)
        self._requests[counted] = self._requests.get(counted, 0) + 1
        self._durations[key].add(seconds)

    def begin_long(self, info: RequestInfo) -> Labels:
        labels = request_labels(info)
        self.long[labels] = self.long.get(labels, 0) + 1
        return labels

    def end_long(self, labels: Labels) -> None:
        self.long[labels] -= 1

    def render(self, caches: Caches) -> bytes:
        lines = [*self._render_requests(), *self._render_gauges(caches), *process_lines(self._start)]
        return ("\n".join(lines) + "\n").encode()

    def _render_requests(self) -> Iterable[str]:
        name = "apiserver_request_total"
        yield from head(name, "counter", "Counter of apiserver requests.")
        for (key, code), count in self._requests.items():
            yield f"{name}{shown((*self._labels[key], ('code', str(code))))} {count}"
        name = "apiserver_request_duration_seconds"
        yield from head(name, "histogram", "Response latency distribution in seconds.")
        for key, histogram in self._durations.items():
            yield from _render_histogram(name, self._labels[key], histogram)

    def _render_gauges(self, caches: Caches) -> Iterable[str]:
        name = "apiserver_current_inflight_requests"
        yield from head(name, "gauge", "Requests that are being answered, by their kind.")
        for kind, count in self.inflight.items():
            yield f'{name}{{request_kind="{kind}"}} {count}'
        name = "apiserver_rejected_requests_total"
        yield from head(name, "counter", "Requests that were turned away because too many were being answered.")
        for kind, count in self.rejected.items():
            yield f'{name}{{request_kind="{kind}"}} {count}'
        name = "apiserver_longrunning_requests"
        yield from head(name, "gauge", "Watches and other requests without an end of their own.")
        for labels, count in self.long.items():
            yield f"{name}{shown(labels)} {count}"
        counts = caches.counts()
        name = "apiserver_resource_objects"
        yield from head(name, "gauge", "Objects in the store, by resource.")
        for one, count, _ in counts:
            yield f'{name}{{resource="{one}"}} {count}'
        name = "apiserver_resource_size_bytes"
        yield from head(name, "gauge", "Bytes of these objects.")
        for one, _, size in counts:
            yield f'{name}{{resource="{one}"}} {size}'
        name = "apiserver_storage_revision"
        yield from head(name, "gauge", "The newest revision that the caches know.")
        yield f"{name} {caches.revision}"


RequestLabels = tuple[str, str, str, str, str, str]


def _render_histogram(name: str, labels: Labels, histogram: Histogram) -> Iterable[str]:
    below = 0
    for limit, count in zip(BUCKETS, histogram.counts, strict=True):
        below += count
        yield f"{name}_bucket{shown((*labels, ('le', f'{limit:g}')))} {below}"
    yield f"{name}_bucket{shown((*labels, ('le', '+Inf')))} {histogram.total}"
    yield f"{name}_sum{shown(labels)} {histogram.sum}"
    yield f"{name}_count{shown(labels)} {histogram.total}"

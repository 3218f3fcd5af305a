"""Metrics: what the registry has done and has, in Prometheus' text form."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from corral.http.message import Answer, Response
from corral.registry.call import Call

if TYPE_CHECKING:
    from corral.registry.app import Registry

HELP = {
    "requests_total": ("counter", "Requests answered, by endpoint, method and status."),
    "sent_bytes_total": ("counter", "Bytes of blobs given out."),
    "received_bytes_total": ("counter", "Bytes of blobs taken in."),
    "manifest_pulls_total": ("counter", "Manifests given out."),
    "webhooks_total": ("counter", "Notifications, by result: delivered, retried, dropped."),
    "collections_total": ("counter", "Garbage collections."),
    "collected_bytes_total": ("counter", "Bytes that garbage collections freed."),
    "repositories": ("gauge", "Repositories now."),
    "tags": ("gauge", "Tags now."),
    "manifests": ("gauge", "Manifests now."),
    "blobs": ("gauge", "Blobs now, each counted in every repository that has it."),
    "uploads": ("gauge", "Upload sessions now."),
}


class Metrics:
    """Counts. A key is a metric's name and its labels."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, labels: str = "", value: int = 1) -> None:
        self.counts[name, labels] += value

    def answered(self, endpoint: str, method: str, status: int) -> None:
        self.add("requests_total", f'{{endpoint="{endpoint}",method="{method}",status="{status}"}}')

    def sent(self, count: int) -> None:
        self.add("sent_bytes_total", value=count)

    def received(self, count: int) -> None:
        self.add("received_bytes_total", value=count)

    def pulled(self) -> None:
        self.add("manifest_pulls_total")


def gauges(registry: Registry) -> dict[tuple[str, str], int]:
    all_of = list(registry.repositories.by_name.values())
    return {
        ("repositories", ""): len(all_of),
        ("tags", ""): sum(len(r.tags) for r in all_of),
        ("manifests", ""): sum(len(r.manifests) for r in all_of),
        ("blobs", ""): sum(len(r.blobs) for r in all_of),
        ("uploads", ""): registry.uploads.count,
    }


def render(values: dict[tuple[str, str], int]) -> str:
    """Pure: the text form, version 0.0.4.

    >>> print(render({("uploads", ""): 3}))
    # HELP corral_registry_uploads Upload sessions now.
    # TYPE corral_registry_uploads gauge
    corral_registry_uploads 3
    <BLANKLINE>
    """
    lines: list[str] = []
    for name, (kind, text) in HELP.items():
        found = sorted((labels, value) for (metric, labels), value in values.items() if metric == name)
        if found:
            lines += [f"# HELP corral_registry_{name} {text}", f"# TYPE corral_registry_{name} {kind}"]
            lines += [f"corral_registry_{name}{labels} {value}" for labels, value in found]
    return "\n".join(lines) + "\n"


async def get_metrics(call: Call) -> Answer:
    text = render(dict(call.registry.metrics.counts) | gauges(call.registry))
    return Response(200, {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}, text.encode())

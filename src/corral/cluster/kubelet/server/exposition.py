"""The kubelet's metrics in Prometheus' format, under upstream's names. Pure, but for the process' own.

/metrics/resource is what metrics servers read, /metrics/cadvisor what dashboards are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from corral.cluster.client.metering.rates import SECOND, Sample
from corral.cluster.kubelet.metering.reading import Measured, working_set
from corral.cluster.kubelet.server.summary import NodeFacts, resident
from corral.kit.exposition import Labels, family, process_lines
from corral.model.stats import InterfaceStats

MILLI: Final = 10**6  # nanoseconds


def resource_lines(sample: Sample) -> Iterator[str]:
    """/metrics/resource: CPU time and memory of containers, of pods and of the node.

    >>> lines = list(resource_lines(Sample(at=7 * SECOND, cpu=2 * SECOND, memory=4096)))
    >>> [line for line in lines if line.startswith("node_")]
    ['node_cpu_usage_seconds_total 2.0 7000', 'node_memory_working_set_bytes 4096 7000']
    """
    at = sample.at // MILLI
    found = [
        ((("container", one.name), ("namespace", one.namespace), ("pod", one.pod)), one)
        for one in sample.containers.values()
    ]
    pods: dict[Labels, list[int]] = {}
    for labels, one in found:
        total = pods.setdefault(labels[1:], [0, 0])
        total[0], total[1] = total[0] + one.cpu, total[1] + one.memory
    cpu, memory, began = "Cumulative CPU time in core-seconds.", "Current working set in bytes.", "When it started."
    yield from family(
        "container_cpu_usage_seconds_total", "counter", cpu, ((key, one.cpu / SECOND) for key, one in found), at
    )
    yield from family(
        "container_memory_working_set_bytes", "gauge", memory, ((key, one.memory) for key, one in found), at
    )
    yield from family(
        "container_start_time_seconds", "gauge", began, ((key, one.started / SECOND) for key, one in found)
    )
    yield from family("node_cpu_usage_seconds_total", "counter", cpu, [((), sample.cpu / SECOND)], at)
    yield from family("node_memory_working_set_bytes", "gauge", memory, [((), sample.memory)], at)
    yield from family(
        "pod_cpu_usage_seconds_total", "counter", cpu, ((key, one[0] / SECOND) for key, one in pods.items()), at
    )
    yield from family("pod_memory_working_set_bytes", "gauge", memory, ((key, one[1]) for key, one in pods.items()), at)
    yield from family("resource_scrape_error", "gauge", "1 if something could not be read.", [((), 0)])


_CONTAINER: Final[Sequence[tuple[str, str, str, Callable[[Measured], float]]]] = (
    ("container_cpu_usage_seconds_total", "counter", "CPU time", lambda one: one.stats.cgroup.cpu_total / SECOND),
    ("container_cpu_user_seconds_total", "counter", "user time", lambda one: one.stats.cgroup.cpu_user / SECOND),
    ("container_cpu_system_seconds_total", "counter", "system time", lambda one: one.stats.cgroup.cpu_system / SECOND),
    ("container_cpu_cfs_periods_total", "counter", "periods", lambda one: one.stats.cgroup.throttling_periods),
    ("container_cpu_cfs_throttled_periods_total", "counter", "held", lambda one: one.stats.cgroup.throttled_periods),
    (
        "container_cpu_cfs_throttled_seconds_total",
        "counter",
        "time held",
        lambda one: one.stats.cgroup.throttled_time / SECOND,
    ),
    ("container_memory_usage_bytes", "gauge", "memory", lambda one: one.stats.cgroup.memory_usage),
    ("container_memory_working_set_bytes", "gauge", "working set", lambda one: working_set(one.stats.cgroup)),
    ("container_memory_rss", "gauge", "resident memory", lambda one: resident(one.stats.cgroup)),
    ("container_spec_memory_limit_bytes", "gauge", "memory limit", lambda one: one.stats.cgroup.memory_limit),
    ("container_processes", "gauge", "processes", lambda one: one.stats.cgroup.pids),
    ("container_start_time_seconds", "gauge", "start", lambda one: one.attempt.started / SECOND),
)
_NETWORK: Final[Sequence[tuple[str, Callable[[InterfaceStats], int]]]] = (
    ("container_network_receive_bytes_total", lambda one: one.rx_bytes),
    ("container_network_receive_packets_total", lambda one: one.rx_packets),
    ("container_network_receive_errors_total", lambda one: one.rx_errors),
    ("container_network_receive_packets_dropped_total", lambda one: one.rx_dropped),
    ("container_network_transmit_bytes_total", lambda one: one.tx_bytes),
    ("container_network_transmit_packets_total", lambda one: one.tx_packets),
    ("container_network_transmit_errors_total", lambda one: one.tx_errors),
    ("container_network_transmit_packets_dropped_total", lambda one: one.tx_dropped),
)


def cadvisor_lines(node: NodeFacts, cores: int, containers: Sequence[Measured]) -> Iterator[str]:
    """/metrics/cadvisor."""
    at = node.now // MILLI
    yield from family("machine_cpu_cores", "gauge", "Processors of the machine.", [((), cores)])
    memory = node.memory.get("MemTotal", 0)
    yield from family("machine_memory_bytes", "gauge", "Memory of the machine.", [((), memory)])
    for name, kind, text, value in _CONTAINER:
        values = ((_labels(one), value(one)) for one in containers)
        yield from family(name, kind, f"Of each container: {text}.", values, at)
    pods = {one.uid: one for one in containers if one.stats.interfaces}
    for name, count in _NETWORK:
        found = (
            ((("interface", link), ("namespace", one.namespace), ("pod", one.pod)), float(count(stats)))
            for one in pods.values()
            for link, stats in one.stats.interfaces.items()
        )
        yield from family(name, "counter", "Of each pod's network.", found, at)


def _labels(one: Measured) -> Labels:
    attempt = one.attempt
    return (
        ("container", attempt.container),
        ("id", f"/{one.id}"),
        ("image", attempt.image),
        ("name", one.id),
        ("namespace", one.namespace),
        ("pod", one.pod),
    )


def kubelet_lines(node: str, pods: int, containers: int, start: float) -> Iterable[str]:
    """/metrics: the kubelet's own."""
    yield from family("kubelet_node_name", "gauge", "Which node this is.", [((("node", node),), 1)])
    yield from family("kubelet_running_pods", "gauge", "Pods of which anything runs.", [((), pods)])
    state: Labels = (("container_state", "running"),)
    yield from family("kubelet_running_containers", "gauge", "Containers, by state.", [(state, containers)])
    yield from process_lines(start)

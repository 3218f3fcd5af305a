"""What a kubelet says of what is used: the summary, and metrics that a metrics server reads back."""

from __future__ import annotations

from datetime import UTC, datetime

from corral.cluster.apiserver.measured.remote import read_resource
from corral.cluster.client.metering.rates import SECOND, ContainerSample, Sample, plan_report
from corral.cluster.client.usage import NodeUsage, PodUsage, Report, Used
from corral.cluster.kubelet.metering.reading import Measured
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.server.exposition import cadvisor_lines, resource_lines
from corral.cluster.kubelet.server.summary import NodeFacts, plan_summary
from corral.kit.exposition import parse
from corral.model.stats import CgroupStats, InterfaceStats, Stats

NOW = 1_700_000_100 * SECOND
NODE = NodeFacts("n1", NOW, NOW - 50 * SECOND, 9 * SECOND, 600, {"MemTotal": 1000, "MemFree": 200}, (100, 40, 60))


def container(name: str, cpu: int, uid: str = "u1") -> Measured:
    attempt = Attempt(f"id-{name}", name, 0, "running", "", started=NOW - 20 * SECOND, image="busybox")
    cgroup = CgroupStats(2, cpu_total=cpu, memory_usage=500, memory_detail={"inactive_file": 100, "anon": 300})
    return Measured(
        f"id-{name}", "shop", "web", uid, attempt, Stats(NOW, cgroup, interfaces={"eth0": InterfaceStats(7)})
    )


def test_a_pod_is_the_sum_of_its_containers() -> None:
    at = datetime(2023, 11, 14, tzinfo=UTC)
    used = {"a": Used(1000, 400), "b": Used(500, 400)}
    report = Report((NodeUsage("n1", at, 10, Used(7, 8)),), (PodUsage("shop", "web", at, 10, used),))
    pods = [{"metadata": {"uid": "u1"}, "status": {"startTime": "2023-11-14T22:13:00Z"}}]
    found = plan_summary(NODE, [container("a", 5), container("b", 6)], pods, report)
    node, (pod,) = found["node"], found["pods"]
    assert node["cpu"]["usageNanoCores"] == 7 and node["memory"]["availableBytes"] == 400
    assert node["fs"] == {"time": "2023-11-14T22:15:00Z", "capacityBytes": 100, "availableBytes": 40, "usedBytes": 60}
    assert pod["podRef"] == {"name": "web", "namespace": "shop", "uid": "u1"}
    assert pod["startTime"] == "2023-11-14T22:13:00Z"
    assert pod["cpu"]["usageCoreNanoSeconds"] == 11 and pod["cpu"]["usageNanoCores"] == 1500
    assert pod["memory"]["workingSetBytes"] == 800 and pod["memory"]["rssBytes"] == 600
    assert pod["network"]["rxBytes"] == 7 and pod["network"]["interfaces"][0]["name"] == "eth0"
    assert [one["name"] for one in pod["containers"]] == ["a", "b"]


def test_what_has_no_rate_yet_has_none() -> None:
    found = plan_summary(NODE, [container("a", 5)], [], Report())
    assert "usageNanoCores" not in found["node"]["cpu"] and "usageNanoCores" not in found["pods"][0]["cpu"]
    assert found["pods"][0]["startTime"] == "2023-11-14T22:14:40Z"  # of the first container


def sample(at: int, cpu: int) -> Sample:
    one = ContainerSample("shop", "web", "u1", "main", NOW - 20 * SECOND, cpu, 4096)
    return Sample(at, cpu * 2, 1 << 30, {"id": one})


def test_a_metrics_server_reads_the_rates_back() -> None:
    before, after = sample(NOW, 1 * SECOND), sample(NOW + 10 * SECOND, 3 * SECOND)
    read = [read_resource("\n".join(resource_lines(one)), 0) for one in (before, after)]
    report = plan_report("n1", *read)
    assert report == plan_report("n1", before, after)
    assert report.pods[0].containers == {"main": Used(200_000_000, 4096)}


def test_a_container_that_is_not_measured_as_a_whole_is_left_out() -> None:
    text = 'container_cpu_usage_seconds_total{container="a",namespace="n",pod="p"} 1 5'
    assert read_resource(text, 7) == Sample(7, 0, 0, {})


def test_dashboards_find_their_names() -> None:
    lines = list(cadvisor_lines(NODE, 4, [container("a", 5 * SECOND)]))
    found = {(name, labels.get("container", "")): value for name, labels, value, _ in parse("\n".join(lines))}
    assert found["container_cpu_usage_seconds_total", "a"] == 5.0
    assert found["container_memory_working_set_bytes", "a"] == 400
    assert found["container_network_receive_bytes_total", ""] == 7 and found["machine_cpu_cores", ""] == 4

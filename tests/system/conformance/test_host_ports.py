"""sig-network: ports of the node that lead to a pod, told apart by address and protocol."""

from __future__ import annotations

import pytest

from tests.support.conformance import Cluster, Space
from tests.support.ports import free_port
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]


def test_one_port_for_three_pods(cluster: Cluster, space: Space) -> None:
    number = free_port()
    pods = {"pod1": ("127.0.0.1", "TCP"), "pod2": (cluster.address, "TCP"), "pod3": (cluster.address, "UDP")}
    for name, (address, protocol) in pods.items():
        port = {"containerPort": 8080, "hostPort": number, "hostIP": address, "protocol": protocol}
        space.server(name, 8080, main={"ports": [port]})
    space.server("host", free_port(), hostNetwork=True)
    for name in (*pods, "host"):
        space.ready(name)

    def told() -> list[list[str]]:
        return [
            space.answers("host", "http", "127.0.0.1", number, 1, "/hostname", cluster.address),
            space.answers("host", "http", "127.0.0.1", number),
            space.answers("host", "http", cluster.address, number),
            space.answers("host", "udp", cluster.address, number),
        ]

    wanted = [["pod1"], ["pod1"], ["pod2"], ["pod3"]]
    eventually(lambda: told() == wanted, lambda: str(told()), seconds=60)

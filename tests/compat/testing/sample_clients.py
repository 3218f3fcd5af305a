"""What a user of the plugin writes; collected by test_plugin.py alone, in an environment of its own."""

from __future__ import annotations

import os
import socket
import urllib.request
from pathlib import Path

import pytest

from corral.testing import Isolated

ROOTFS = Path(os.environ["ROOTFS"])
POD = {"metadata": {"name": "one"}, "spec": {"containers": [
    {"name": "main", "image": "busybox", "imagePullPolicy": "Never", "command": ["sleep", "1000"]}]}}  # fmt: skip


@pytest.fixture
def busybox(corral_session: Isolated) -> str:
    corral_session.corral("import", str(ROOTFS), "busybox:latest")
    return "busybox:latest"


def test_docker_py_and_the_registry(corral_session: Isolated, corral_environment: dict[str, str], busybox: str) -> None:
    import docker

    client = docker.from_env()
    assert client.containers.run(busybox, ["echo", "hello"], remove=True) == b"hello\n"
    name = f"{corral_session.registry}/team/busybox"
    client.images.get(busybox).tag(name, "1")
    assert "error" not in client.images.push(name, "1")
    client.images.remove(f"{name}:1")
    assert client.images.pull(name, "1").tags
    client.close()


def test_testcontainers(corral_environment: dict[str, str], busybox: str) -> None:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    # Without -f it listens before it leaves the foreground.
    serve = "mkdir /www && echo inside >/www/index.html && httpd -p 80 -h /www && echo serving && exec sleep 1000"
    with DockerContainer(busybox).with_exposed_ports(80).with_command(["sh", "-c", serve]) as container:
        wait_for_logs(container, "serving", timeout=20)
        address = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(80)}/"
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.read() == b"inside\n"


def test_the_kubernetes_client(corral_session: Isolated, busybox: str) -> None:
    from kubernetes import client, config, watch

    config.load_kube_config(config_file=str(corral_session.kubeconfig))
    api = client.CoreV1Api()
    assert api.api_client.configuration.host == corral_session.api_url
    api.create_namespaced_pod("default", POD)
    pods = watch.Watch()
    for event in pods.stream(api.list_namespaced_pod, "default", timeout_seconds=60):
        if event["object"].status.phase == "Running":
            pods.stop()
    api.delete_namespaced_pod("one", "default", grace_period_seconds=0)


def test_one_of_its_own_survives_a_kill(corral: Isolated, corral_environment: dict[str, str]) -> None:
    assert os.environ["DOCKER_HOST"] == corral.docker_host
    before = corral.pid, corral.api_url, corral.registry
    corral.kill()
    corral.start()
    assert corral.pid != before[0]
    assert (corral.api_url, corral.registry) == before[1:]


@pytest.mark.parametrize("number", range(4))
def test_several_side_by_side(number: int, corral_session: Isolated, corral_instances) -> None:  # type: ignore[no-untyped-def]
    others = [corral_instances("--kubernetes=false"), corral_instances("--kubernetes=false")]
    found = {one.docker_host for one in (corral_session, *others)}
    assert len(found) == 3
    for one in others:
        assert one.api_url == ""
        assert "KUBECONFIG" not in one.environment
        host, _, port = one.registry.rpartition(":")
        socket.create_connection((host, int(port)), timeout=5).close()

"""Who containers are and what they may do, on the real engine."""

from __future__ import annotations

import os

import pytest

from corral.cluster.kubelet.worker.runtime import CLASSES
from tests.support.kubelet import LISTENS, Node, container, state, waiting

INFO = {"path": "l", "fieldRef": {"fieldPath": "metadata.name"}}

pytestmark = [pytest.mark.root, pytest.mark.timeout(90)]


async def test_user_capabilities_and_walls(node: Node) -> None:
    own = {
        "runAsUser": 1000,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    await node.create("walls", container(securityContext=own), securityContext={"runAsNonRoot": True})
    await node.running("walls")
    script = "id -u; touch /x 2>&1; grep -E 'CapBnd|NoNew|Seccomp:' /proc/self/status"
    said = await node.ask("walls", "sh", "-c", script)
    assert said.startswith("1000\n") and "Read-only file system" in said
    facts = dict(line.split(":\t") for line in said.splitlines() if ":\t" in line)
    assert facts == {"CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}


async def test_privileged(node: Node) -> None:
    await node.create("all", container(securityContext={"privileged": True}))
    await node.running("all")
    script = "grep Seccomp: /proc/self/status; mkdir /m; mount -t tmpfs x /m && echo mounted"
    assert await node.ask("all", "sh", "-c", script) == "Seccomp:\t0\nmounted\n"


async def test_root_is_refused_where_it_must_not_be(node: Node) -> None:
    await node.create("root", container(), securityContext={"runAsNonRoot": True})
    pod = await node.until("root", lambda pod: waiting(pod) == "CreateContainerConfigError")
    message = state(pod)["state"]["waiting"]["message"]
    assert message.startswith('container has runAsNonRoot and image will run as root (pod: "root_default(')


async def test_kernel_parameters(node: Node) -> None:
    good = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "99"}]
    await node.create("good", securityContext={"sysctls": good})
    await node.running("good")
    assert await node.ask("good", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start") == "99\n"
    await node.create("bad", securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "9"}]})
    pod = await node.done("bad")
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "SysctlForbidden")


async def test_namespaces_of_the_host(node: Node) -> None:
    await node.create("host", container(), hostNetwork=True, hostPID=True, hostIPC=True)
    pod = await node.running("host")
    assert pod["status"]["podIP"] == pod["status"]["hostIP"]
    with open("/proc/sys/kernel/hostname") as file:
        assert await node.ask("host", "hostname") == file.read()
    own = await node.ask("host", "sh", "-c", "echo $$")
    assert int(own) > 20  # in a namespace of its own it would be one of the first


async def test_one_pid_namespace_for_all(node: Node) -> None:
    a, b = (container(name, readinessProbe=LISTENS) for name in "ab")
    await node.create("share", a, b, shareProcessNamespace=True)
    await node.running("share")
    said = await node.ask("share", "ps", "-o", "pid,args", of="b")
    assert "/pause" in said.splitlines()[1] and said.count("while :; do sleep 0.05; done") >= 2
    await node.delete("share")
    assert node.engine.containers.list(unlisted=True) == []


async def test_what_is_not_offered_is_named(node: Node) -> None:
    await node.client.create(CLASSES, {"metadata": {"name": "gvisor"}, "handler": "runsc"})
    await node.create("class", runtimeClassName="gvisor")
    await node.told("class", "FailedCreatePodSandBox", 'no runtime for "runsc" is configured')


async def test_a_port_of_the_node(node: Node) -> None:
    ports = [{"containerPort": 80, "hostPort": 28765}]
    await node.create("web", container(command=["httpd", "-f", "-p", "80"], ports=ports))
    await node.running("web")
    space = node.engine.spaces.list()[0]
    assert [(one.port, one.host_port) for one in space.ports if one.host_ip == "0.0.0.0"] == [(80, 28765)]
    await node.create("twice", container(ports=ports))
    refused = (await node.done("twice"))["status"]
    assert (refused["phase"], refused["reason"]) == ("Failed", "NodePorts")
    assert "didn't have free ports for the requested pod ports" in refused["message"]
    await node.delete("web")
    await node.create("again", container(ports=ports))
    await node.running("again")


async def test_memory_that_is_not_there(node: Node) -> None:
    hungry = ["sh", "-c", "x=a; while :; do x=$x$x; done"]
    limits = {"limits": {"memory": "16Mi"}}
    await node.create("hungry", container(command=hungry, resources=limits), restartPolicy="Never")
    pod = await node.done("hungry")
    ended = state(pod)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


async def test_users_of_its_own(node: Node) -> None:
    """Root inside is nobody outside, another nobody in each pod; what is mounted has the ids that it knows."""
    mounts = [{"name": "kept", "mountPath": "/kept"}, {"name": "fast", "mountPath": "/fast"}]
    volumes = [{"name": "kept", "emptyDir": {}}, {"name": "fast", "emptyDir": {"medium": "Memory"}}]
    volumes.append({"name": "info", "downwardAPI": {"items": [INFO]}})
    mounts.append({"name": "info", "mountPath": "/info"})
    spec = {"hostUsers": False, "volumes": volumes, "securityContext": {"fsGroup": 77}}
    for name in ("one", "two"):
        main = container(volumeMounts=mounts, readinessProbe=LISTENS)
        await node.create(name, main, container("b", volumeMounts=mounts), **spec)
    starts = set()
    for name in ("one", "two"):
        pod = await node.running(name)
        maps = (await node.ask(name, "cat", "/proc/self/uid_map")).split()
        assert maps[0] == "0" and maps[2] == "65536"
        starts.add(int(maps[1]))
        script = (
            "touch /kept/a /fast/a /root-file; chown 33:33 /kept/a; stat -c %u:%g /kept/a /fast/a /root-file /info/l"
        )
        assert (await node.ask(name, "sh", "-c", script)).split() == ["33:33", "0:77", "0:0", "0:77"]
        assert await node.ask(name, "stat", "-c", "%u", "/kept/a", of="b") == "33\n"
        id = state(pod)["containerID"].partition("://")[2]
        pid = node.engine.containers.get(id).state.pid
        assert os.stat(f"/proc/{pid}").st_uid == int(maps[1])
        place = f"{node.base}/kubelet/pods/{pod['metadata']['uid']}/volumes/kept/a"
        assert os.stat(place).st_uid == 33
        assert "inet " in (await node.ask(name, "ip", "addr", "show", "eth0"))
    assert len(starts) == 2 and 0 not in starts
    await node.restart_kubelet()
    assert await node.ask("one", "stat", "-c", "%u", "/kept/a") == "33\n"
    for name in ("one", "two"):
        await node.delete(name)


async def test_a_view_of_proc_without_masks(node: Node) -> None:
    """Only with users of its own: what root may there, it may to its own namespaces alone."""
    own = {"procMount": "Unmasked", "capabilities": {"add": ["SYS_ADMIN"]}}
    await node.create("open", container(securityContext=own), hostUsers=False)
    await node.create("walls", container(), hostUsers=False)
    mounted = "grep -c ' /proc/' /proc/self/mounts; mount -t proc proc /tmp && echo nested"
    await node.running("open")
    await node.running("walls")
    assert await node.ask("open", "sh", "-c", mounted) == "0\nnested\n"
    said = await node.ask("walls", "sh", "-c", f"{mounted} || true")
    assert int(said.split()[0]) > 5 and "nested" not in said


async def test_users_of_its_own_share_processes(node: Node) -> None:
    await node.create("share", container(), container("b"), hostUsers=False, shareProcessNamespace=True)
    await node.running("share")
    assert "/pause" in await node.ask("share", "ps", "-o", "pid,args", of="b")


async def test_the_host_s_are_not_for_them(node: Node) -> None:
    await node.create("all", container(securityContext={"privileged": True}), hostUsers=False)
    pod = await node.until("all", lambda pod: waiting(pod) == "CreateContainerError")
    assert "privileged mode is incompatible with user namespaces" in state(pod)["state"]["waiting"]["message"]

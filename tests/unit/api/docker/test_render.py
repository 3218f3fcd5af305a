"""What inspect and lists show: Docker's fields in Docker's order, null where dockerd has null."""

import json
from typing import Any

import msgspec

from corral.api.docker.create import parse_create
from corral.api.docker.facts import Facts
from corral.api.docker.render import Surroundings, inspect
from corral.api.docker.render_list import command, summary
from corral.kit.clock import SECOND
from corral.model.container import (
    BoundPort,
    Container,
    ContainerSpec,
    Endpoint,
    Health,
    HealthResult,
    MountPoint,
    NetworkSpec,
    State,
)

NOW = 1_700_000_000 * SECOND
BRIDGE = Endpoint(
    "bridge", "b" * 64, "e" * 64, mac="02:42:0a:58:00:02", ipv4="10.88.0.2", ipv4_prefix=16, gateway="10.88.0.1"
)
AROUND = Surroundings(cgroup_version=2, default_runtime="crun", log_path="/r/c.log", files="/run/c/x")


def words(text: str) -> list[str]:
    return text.split()


def made_from(host: dict[str, Any], **config: Any) -> ContainerSpec:
    body = json.dumps({"Image": "busybox", "HostConfig": host} | config).encode()
    return parse_create(body, "", "", (1, 51), Facts(cpus=(0, 1)), lambda path: True).spec


def running(spec: ContainerSpec | None = None, **fields: Any) -> Container:
    state = State("running", pid=42, started_at=NOW, health=fields.pop("health", None))
    return Container(
        "a" * 64, "box", NOW - SECOND, "sha256:" + "1" * 64, spec or made_from({}), path="sh", args=["-c", "echo hi"],
        state=state, endpoints={"bridge": BRIDGE}, runtime="runc", **fields,
    )  # fmt: skip


def shown(container: Container, around: Surroundings = AROUND) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(msgspec.json.encode(inspect(container, around, (1, 51))))
    return result


def test_every_field_is_there_in_docker_s_order() -> None:
    fields = shown(running())
    assert list(fields) == words("""
        Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver
        Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts Config NetworkSettings
    """)
    assert list(fields["HostConfig"]) == words("""
        Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver VolumesFrom
        ConsoleSize CapAdd CapDrop CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links
        OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt UTSMode UsernsMode ShmSize Runtime
        Isolation CpuShares Memory NanoCpus CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps
        BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod
        CpuRealtimeRuntime CpusetCpus CpusetMems Devices DeviceCgroupRules DeviceRequests MemoryReservation MemorySwap
        MemorySwappiness OomKillDisable PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth
        MaskedPaths ReadonlyPaths
    """)
    assert list(fields["Config"]) == words("""
        Hostname Domainname User AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce Env Cmd Image Volumes
        WorkingDir Entrypoint OnBuild Labels
    """)
    assert list(fields["NetworkSettings"]) == words("""
        Bridge SandboxID SandboxKey Ports HairpinMode LinkLocalIPv6Address LinkLocalIPv6PrefixLen SecondaryIPAddresses
        SecondaryIPv6Addresses EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAddress IPPrefixLen
        IPv6Gateway MacAddress Networks
    """)


def test_what_says_nothing() -> None:
    fields = shown(running())
    host, config = fields["HostConfig"], fields["Config"]
    assert [n for n, v in host.items() if v is None] == (
        "Binds VolumesFrom CapAdd CapDrop ExtraHosts GroupAdd Links SecurityOpt DeviceCgroupRules DeviceRequests "
        "MemorySwappiness OomKillDisable PidsLimit"
    ).split()
    assert [n for n, v in host.items() if v == []] == (
        "Dns DnsOptions DnsSearch BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps "
        "BlkioDeviceWriteIOps Devices Ulimits"
    ).split()
    assert [n for n, v in config.items() if v is None] == ["Env", "Cmd", "Volumes", "Entrypoint", "OnBuild"]
    assert (config["Labels"], fields["ExecIDs"], fields["Mounts"]) == ({}, None, [])


def test_state() -> None:
    check = Health("unhealthy", 2, [HealthResult(NOW, NOW + SECOND, 1, "no")])
    assert shown(running(health=check))["State"] == {
        "Status": "running",
        "Running": True,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 42,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": "2023-11-14T22:13:20Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "Health": {
            "Status": "unhealthy",
            "FailingStreak": 2,
            "Log": [
                {"Start": "2023-11-14T22:13:20Z", "End": "2023-11-14T22:13:21Z", "ExitCode": 1, "Output": "no"},
            ],
        },
    }


def test_host_config_is_what_was_sent() -> None:
    sent = {
        "Binds": ["/srv:/data:ro", "/anonymous"],
        "PortBindings": {
            "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000-8010"}],
            "53/udp": [{"HostIp": "", "HostPort": ""}],
        },
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "CapAdd": ["NET_ADMIN"],
        "Dns": ["1.1.1.1"],
        "ExtraHosts": ["db:10.0.0.1"],
        "GroupAdd": ["wheel"],
        "SecurityOpt": ["no-new-privileges"],
        "Tmpfs": {"/run": "size=1m"},
        "Sysctls": {"net.core.somaxconn": "5"},
        "Annotations": {"a": "b"},
        "Memory": 16 << 20,
        "MemorySwap": -1,
        "PidsLimit": 10,
        "Ulimits": [{"Name": "nofile", "Hard": 20, "Soft": 10}],
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "r"}],
        "BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 5}],
        "Mounts": [
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o1777}},
            {"Type": "bind", "Source": "/", "Target": "/b", "ReadOnly": True, "BindOptions": {"Propagation": "slave"}},
            {"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {"NoCopy": True, "Labels": {"x": "y"}}},
        ],
        "MaskedPaths": [],
        "ReadonlyPaths": ["/proc/x"],
        "Init": True,
        "ConsoleSize": [24, 80],
        "ShmSize": 1 << 20,
        "IpcMode": "host",
        "PidMode": "container:x",
        "CgroupnsMode": "host",
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
    }  # fmt: skip
    echoed = shown(running(made_from(sent)))["HostConfig"]
    # Sharing the host's IPC namespace switches SELinux labels off.
    sent["SecurityOpt"] = ["no-new-privileges", "label=disable"]
    assert {name: echoed[name] for name in sent} == sent


def test_network() -> None:
    container = running(made_from({}, ExposedPorts={"80/tcp": {}, "443/tcp": {}}))
    container.ports = [BoundPort(80, "tcp", "0.0.0.0", 8080), BoundPort(80, "tcp", "::", 8080)]
    network = shown(container)["NetworkSettings"]
    assert network["Ports"] == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
        "443/tcp": None,
    }
    assert (network["IPAddress"], network["IPPrefixLen"], network["Gateway"]) == ("10.88.0.2", 16, "10.88.0.1")
    assert network["SandboxKey"] == "/proc/42/ns/net"
    assert network["Networks"] == {
        "bridge": {
            "IPAMConfig": None,
            "Links": None,
            "Aliases": None,
            "MacAddress": "02:42:0a:58:00:02",
            "DriverOpts": None,
            "GwPriority": 0,
            "NetworkID": "b" * 64,
            "EndpointID": "e" * 64,
            "Gateway": "10.88.0.1",
            "IPAddress": "10.88.0.2",
            "IPPrefixLen": 16,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "DNSNames": None,
        }
    }


def test_a_container_that_shares_a_network_has_none() -> None:
    spec = made_from({})
    spec.network = NetworkSpec(mode="container:" + "c" * 64)
    container = running(spec)
    container.endpoints = {}
    assert shown(container)["NetworkSettings"]["Networks"] == {}


def test_one_that_ended() -> None:
    container = running()
    container.state = State("exited", exit_code=3, started_at=NOW, finished_at=NOW)
    fields = shown(container)
    assert (fields["State"]["Pid"], fields["NetworkSettings"]["Ports"], fields["NetworkSettings"]["SandboxID"]) == (
        0,
        {},
        "",
    )
    assert fields["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == ""


def test_privileged() -> None:
    host = shown(running(made_from({"Privileged": True})))["HostConfig"]
    assert (host["MaskedPaths"], host["ReadonlyPaths"], host["SecurityOpt"]) == (None, None, ["label=disable"])


def test_mounts() -> None:
    container = running(mount_points=[
        MountPoint("volume", "/v/_data", "/data", name="v", driver="local", mode="z"),
        MountPoint("bind", "/srv", "/srv", mode="ro", read_write=False, propagation="rprivate"),
    ])  # fmt: skip
    assert shown(container)["Mounts"] == [
        {
            "Type": "volume",
            "Name": "v",
            "Source": "/v/_data",
            "Destination": "/data",
            "Driver": "local",
            "Mode": "z",
            "RW": True,
            "Propagation": "",
        },
        {
            "Type": "bind",
            "Source": "/srv",
            "Destination": "/srv",
            "Mode": "ro",
            "RW": False,
            "Propagation": "rprivate",
        },
    ]


def test_sizes_only_where_asked_for() -> None:
    around = msgspec.structs.replace(AROUND, size_rw=5, size_root_fs=9)
    fields = shown(running(), around)
    assert (fields["SizeRw"], fields["SizeRootFs"]) == (5, 9)


def test_a_line_of_the_list() -> None:
    container = running(made_from({"Annotations": {"a": "b"}}))
    container.ports = [BoundPort(80, "tcp", "0.0.0.0", 8080)]
    line = summary(container, NOW + 120 * SECOND, "busybox", (1, 51), {}, (0, 9))
    assert list(line) == words("""
        Id Names Image ImageID Command Created Ports SizeRootFs Labels State Status HostConfig NetworkSettings Mounts
    """)
    assert line["Ports"] == [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]
    assert (line["Status"], line["Command"], line["Names"]) == ("Up 2 minutes", "sh -c 'echo hi'", ["/box"])
    assert line["HostConfig"] == {"NetworkMode": "bridge", "Annotations": {"a": "b"}}
    assert summary(container, NOW, "busybox", (1, 45), {})["HostConfig"] == {"NetworkMode": "bridge"}


def test_command_without_arguments() -> None:
    assert command("sh", []) == "sh"
